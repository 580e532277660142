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

// The children of a list or table: those whose item did not change stay, and
// with them the focus that may be in one.

export function each(parent, items, key, make) {
  const old = new Map([...parent.children]
    .map((node) => [node.dataset.id, node]));
  const focus = parent.contains(document.activeElement)
    ? document.activeElement : null;
  const place = focus && {
    id: focus.closest('[data-id]')?.dataset.id,
    action: focus.dataset.action,
  };

  parent.replaceChildren(...items.map((item) => {
    const id = String(key(item));
    const seen = JSON.stringify(item);
    const known = old.get(id);

    if (known?.seen === seen) {
      return known;
    }

    const node = make(item);

    node.dataset.id = id;
    node.seen = seen;

    return node;
  }));

  if (place?.id !== undefined) {
    refocus(parent, place, focus);
  }
}

function refocus(parent, { id, action }, focus) {
  if (focus.isConnected) {
    focus.focus({ preventScroll: true });
    return;
  }

  const row = [...parent.children].find((node) => node.dataset.id === id);
  const node = row && (action
    ? row.querySelector(`[data-action="${action}"]`) : row);

  node?.focus({ preventScroll: true });
}
