import { $, say } from '../dom.js';

export function signin(enter) {
  $('signin-form').addEventListener('submit', async (event) => {
    const text = $('token').value.trim();

    event.preventDefault();

    if (text === '') {
      say($('signin-error'), 'Paste a token first.');
      $('token').focus();
      return;
    }

    say($('signin-error'), '');
    $('signin-submit').disabled = true;
    await enter(text);
    $('signin-submit').disabled = false;

    if ($('signin').hidden) {
      $('token').value = '';
      $('main').focus({ preventScroll: true });
    } else {
      $('token').focus();
    }
  });
}

export function signedOut(is, why = '') {
  $('signin').hidden = !is;
  $('page').hidden = is;

  if (is) {
    $('forget').hidden = true;
    say($('signin-error'), why);
    say($('notice'), '');
    say($('alert'), '');
    $('token').focus();
  }
}
