// The token: kept by the tab, for this place alone, and gone with it.

const KEY = `referral-token:${location.pathname}`;

// A browser may refuse to keep anything.

function storage(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null;
  }
}

export const token = () => storage((store) => store.getItem(KEY));
export const keep = (text) => storage((store) => store.setItem(KEY, text));
export const forget = () => storage((store) => store.removeItem(KEY));
