# The tests of pages notice what a page must not do.

use strict;
use warnings;

use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Web;

my $t = Referral::Nginx->new(conf => <<'EOC');
    server {
        listen 127.0.0.1:%%PORT%%;
        default_type text/html;
        add_header Content-Security-Policy
            "default-src 'self'; img-src * data:";
        location /js/ { default_type text/javascript; }
    }
EOC

page('html lang="en"', good => '');
page('html', barrier => '<button></button><font color="#aaaaaa">pale</font>');
page('html lang="en"', inline => '<script>1</script>');
page('html lang="en"', style => '<p style="color: red">x');
page('html lang="en"', off => '<img src="http://localhost:1/x.png" alt="">');
page('html lang="en"', $_ => qq{<script src="js/$_"></script>})
    for qw(error thrown missing);

mkdir $t->dir . '/html/js';
file('js/error', "console.error('that went wrong')");
file('js/thrown', "setTimeout(() => { throw Error('nobody catches this') })");

$t->start;
browse('bad', { url => 'http://127.0.0.1:' . $t->port . '/' });
finish();


sub page {
    my ($html, $name, $body) = @_;

    file($name, <<"EOC");
<!doctype html>
<$html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>$name</title><link rel="icon" href="data:,">
<main><h1>$name</h1>$body</main><p id="end">
EOC
}


sub file {
    my ($name, $text) = @_;

    open my $f, '>', $t->dir . "/html/$name" or die "$name: $!";
    print $f $text;
    close $f or die "$name: $!";
}
