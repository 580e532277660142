// The token: kept by the tab, for this place alone, and gone with it.

const KEY = `referral-token:${location.pathname}`;

// A browser may refuse to keep anything: then it is this page alone.

function storage(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null;
  }
}

let held = null;

export const token = () => held ?? storage((store) => store.getItem(KEY));

export function keep(text) {
  held = text;
  storage((store) => store.setItem(KEY, text));
}

export function forget() {
  held = null;
  storage((store) => store.removeItem(KEY));
}
