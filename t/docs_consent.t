# The maps of docs/consent.md, with the cookies that stand above them.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Docs qw(blocks);
use Referral::Nginx timeout => 60;

my (%said, %map, @tools);

for (blocks('docs/consent.md')) {
    $said{ $_->{section} } = $_->{text} if $_->{kind} eq 'text';
    next unless $_->{kind} eq 'nginx' && $_->{text} =~ /^map /;
    $map{ $_->{section} } = $_->{text};
    push @tools, $_->{section};
}

cmp_ok(scalar @tools, '>', 5, 'tools');
is_deeply([sort keys %said], [sort @tools], 'a map and cookies for each');

my $n = 0;
my $conf = '';

for (@tools) {
    $n++;
    $conf .= $map{$_} =~ s/\$marketing /\$tool_$n /r;
    $conf .= "server { listen 127.0.0.1:%%PORT%%; server_name tool$n.example;\n"
        . "    location / { return 200 '[\$tool_$n]'; } }\n";
}

my $t = Referral::Nginx->new(conf => $conf)->start;

for my $i (1 .. $n) {
    my $tool = $tools[$i - 1];
    my @lines = split /\n/, $said{$tool};

    is(answer($i), '[]', "$tool: nobody has answered");
    is(answer($i, 'email_marketing=1; x=marketing:true'), '[]',
        "$tool: cookies of others");
    is_deeply([map { /^([10])/ ? $1 : () } @lines], [1, 0],
        "$tool: a yes and a no");

    for (@lines) {
        my ($wanted, $cookie) = /^([-10]): (.*)/ or die "$tool: $_\n";
        $wanted = '' if $wanted eq '-';
        is(answer($i, $cookie), "[$wanted]", "$tool: $cookie");
        is(answer($i, "a=b; $cookie; c=d"), "[$wanted]", "$tool: among others");
    }
}

finish();


sub answer {
    my ($i, $cookie) = @_;
    return $t->get('/', Host => "tool$i.example", Cookie => $cookie)->body;
}
