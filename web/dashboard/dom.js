// Elements.  What comes from data becomes a text node or the value of an
// attribute, never markup.

export const $ = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);

  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      node.addEventListener(name, value);
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? '' : value);
    }
  }

  node.append(...children.flat().filter((child) => child !== null
    && child !== undefined && child !== false));

  return node;
}

// Nothing is touched that says so already: what is announced is announced
// once, and a selection stays.

export function say(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

export function fill(node, ...children) {
  const fresh = [...el('div', {}, ...children).childNodes];
  const same = fresh.length === node.childNodes.length
    && fresh.every((child, i) => child.isEqualNode(node.childNodes[i]));

  if (!same) {
    node.replaceChildren(...fresh);
  }
}

// For a moment nothing here can be pressed: what was aimed at may have moved.

const REST = 700;

export function rest(node) {
  clearTimeout(node.resting);
  node.dataset.rests = '';
  node.resting = setTimeout(() => delete node.dataset.rests, REST);
}

// Those that stay, though they are in no list any more, stay where they are.

function stay(before, nodes) {
  before.forEach((node, i) => {
    if (node.dataset.stays !== undefined && !nodes.includes(node)) {
      const above = before.slice(0, i).filter((one) => nodes.includes(one))
        .at(-1);

      nodes.splice(nodes.indexOf(above) + 1, 0, node);
    }
  });
}

// The children of a list or table: those whose item did not change stay, and
// with them the focus that may be in one.  Tells whether there are others, or
// the same in other places.

export function each(parent, items, key, make) {
  const before = [...parent.children];
  const old = new Map(before.map((node) => [node.dataset.id, node]));
  const focus = parent.contains(document.activeElement)
    ? document.activeElement : null;
  const place = focus && {
    id: focus.closest('[data-id]')?.dataset.id,
    action: focus.dataset.action,
    at: before.findIndex((node) => node.contains(focus)),
  };

  const nodes = items.map((item) => {
    const id = String(key(item));
    const seen = JSON.stringify(item);
    const known = old.get(id);

    if (known && (known.seen === seen || known.dataset.stays !== undefined)) {
      return known;
    }

    const node = make(item);

    node.dataset.id = id;
    node.seen = seen;

    return node;
  });

  stay(before, nodes);

  const same = nodes.length === before.length
    && nodes.every((node, i) => node === before[i]);

  if (same) {
    return false;
  }

  parent.replaceChildren(...nodes);

  if (place?.id !== undefined) {
    refocus(parent, place, focus);
  }

  return true;
}

// When its row is gone, to that in its place, or to the title of the list.

function refocus(parent, { id, action, at }, focus) {
  if (focus.isConnected) {
    focus.focus({ preventScroll: true });
    return;
  }

  const row = [...parent.children].find((node) => node.dataset.id === id);
  const node = row && action
    ? row.querySelector(`[data-action="${action}"]`) ?? row : row;

  (node ?? parent.children[at] ?? parent.lastElementChild
    ?? $(parent.getAttribute('aria-labelledby')))
    ?.focus({ preventScroll: true });
}
