// What a browser adds to the page, which does without: buttons that copy, and
// its own ways to share.

// What a button did is said beside it.

function say(button) {
  for (const done of document.querySelectorAll('[data-done]')) {
    done.textContent = button?.parentElement.contains(done)
      ? done.dataset.done : '';
  }
}

// Browsers have no clipboard where there is no TLS.

async function copy(text) {
  if (navigator.clipboard !== undefined) {
    return navigator.clipboard.writeText(text);
  }

  const area = document.createElement('textarea');
  area.value = text;
  area.readOnly = true;
  area.className = 'aside';
  document.body.append(area);
  area.select();

  const copied = document.execCommand('copy');
  area.remove();

  if (!copied) {
    throw new Error('not copied');
  }
}

for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = false;

  button.addEventListener('click', async () => {
    const field = document.getElementById(button.getAttribute('aria-describedby'));

    say(null);

    try {
      await copy(button.dataset.copy);
      say(button);
      button.focus();
    } catch {
      field.focus();
      field.select();
    }
  });
}

if (navigator.share !== undefined) {
  const button = document.querySelector('[data-share]');

  button.hidden = false;

  button.addEventListener('click', () => {
    // Who closes the sheet has changed their mind: nothing is wrong.
    navigator.share({ text: button.dataset.share }).catch(() => {});
  });
}
