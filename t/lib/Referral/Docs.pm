package Referral::Docs;

# Runs what a document of the manual shows, block by block, in a place of its
# own (Referral::Docs::Place), as if somebody pasted it.
#
#   my @blocks = blocks('docs/backup.md');
#   # {file, line, section, kind, text, marks => [[name, value], ...]}
#   my $docs = Referral::Docs->new(
#       before => { 'Section' => sub { my ($docs) = @_; ... } },
#       asked => { 'GET data' => sub { ...; return $response } });
#   $docs->play('docs/backup.md');      # ok() for each block
#   $docs->quickly('docs/backup.md');   # only its commands, for their effects
#   Referral::Docs::summary();          # how many were run, and how
#
# What a block is, its info string says:
#
#   nginx           a configuration, which replaces the one before; or a piece
#                   of one, which is completed and given to nginx -t
#   sh, console     run; a console's answers are compared, but for numbers
#   json, ndjson    an answer: compared with the real one, member by member
#   http            a request, or a header of the storefront's answer
#   html            what it has in src or href is there
#   php             run
#
# A comment in the line before says what a block does not say itself:
#
#   <!-- answer: GET /v1/codes/ANNA42 -->           of the endpoint; POST takes
#                                                   the body after the path
#   <!-- answer: GET /v1/rewards data.0 -->         a part of it
#   <!-- file: /etc/nginx/conf.d/referral.conf -->  it is that file
#   <!-- line of: /etc/nginx/referral.key -->       it is added to that file
#   <!-- input of: referralctl import ... - -->     that command reads it
#   <!-- elsewhere -->                              in a place that is new
#   <!-- run by: t/shop.t -->                       that test does
#   <!-- not run: why -->                           nobody does

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More;

use Referral::Client;
use Referral::Docs::Conf qw(whole completed);
use Referral::Docs::Place;
use Referral::Docs::Shape qw(compare said_like);
use Referral::Nginx ();

our @EXPORT_OK = qw(blocks);

my %how = (nginx => \&_nginx, sh => \&_sh, console => \&_console,
    json => \&_answer, ndjson => \&_answer, http => \&_http, php => \&_php,
    html => \&_html);
my %count;


sub new {
    my ($class, %opt) = @_;
    return bless { place => Referral::Docs::Place->new, maps => '', %opt },
        $class;
}


sub place { $_[0]{place} }


sub blocks {
    my ($file) = @_;
    my (@blocks, @marks, $block, $indent);
    my ($section, $line) = ('', 0);

    for (split /\n/, Referral::Nginx::_read("$Referral::Nginx::ROOT/$file")) {
        $line++;

        if ($block) {
            if (/^\Q$indent\E```$/) {
                push @blocks, $block;
                ($block, @marks) = ();
            } else {
                $block->{text} .= s/^\Q$indent\E//r . "\n";
            }
        } elsif (/^(\s*)```(\S*)$/) {
            $indent = $1;
            $block = { file => $file, line => $line, section => $section,
                kind => $2, text => '', marks => [@marks] };
        } elsif (/^\s*<!-- ([a-z ]+?)(?:: (.*?))? -->$/) {
            push @marks, [$1, $2];
        } else {
            @marks = ();
            $section = $1 if /^#+ (.*)/;
        }
    }

    die "$file: a block is not closed\n" if $block;
    return @blocks;
}


sub play {
    my ($self, $file) = @_;
    my @blocks = blocks($file);
    my %prose = _prose($file);
    my $section = '';

    for my $block (@blocks) {
        $block->{prose} = $prose{ $block->{section} };

        if ($section ne $block->{section}) {
            $section = $block->{section};
            $self->{maps} = '';
            $self->_files(grep { $_->{section} eq $section } @blocks);
            $self->{before}{$section}->($self) if $self->{before}{$section};
        }

        my $why = eval { $self->_do($block) } // "died: $@";
        is($why, '', "$file:$block->{line}: $block->{kind}, $section");
    }
}


# What another document says to do, for the sake of what is there afterwards.

sub quickly {
    my ($self, $file) = @_;
    my @blocks = blocks($file);

    $self->_files(@blocks);
    for my $block (grep { $_->{kind} eq 'sh' && !@{ $_->{marks} } } @blocks) {
        my $why = $self->_sh($block->{text});
        die "$file:$block->{line}: $why\n" if $why;
    }
}


sub _prose {
    my ($file) = @_;
    my ($section, $in, %prose) = ('', 0);

    for (split /\n/, Referral::Nginx::_read("$Referral::Nginx::ROOT/$file")) {
        $section = $1 if !$in && /^#+ (.*)/;
        $in = !$in if /^\s*```/;
        $prose{$section} .= "$_\n" unless $in;
    }

    return %prose;
}


# What is wrong, or ''.

sub _do {
    my ($self, $block) = @_;
    my %mark = map { $_->[0] => $_->[1] // '' } @{ $block->{marks} };

    return $self->_not_run($mark{'not run'}) if exists $mark{'not run'};
    return _run_by($block, $mark{'run by'}) if exists $mark{'run by'};
    return $self->_elsewhere($block) if exists $mark{elsewhere};
    return _counted('a file of other blocks') if exists $mark{file};
    return $self->_line_of($block, $mark{'line of'}) if $mark{'line of'};
    return $self->_input_of($block, $mark{'input of'}) if $mark{'input of'};

    my $how = $how{ $block->{kind} }
        or return "nobody knows how to run \"$block->{kind}\"";
    return _counted($block->{kind}) . ($self->$how($block->{text}, $block));
}


sub _counted {
    my ($how) = @_;
    $count{$how}++;
    return '';
}


sub summary {
    note("$count{$_} $_") for sort keys %count;
    return \%count;
}


sub _not_run {
    my ($self, $reason) = @_;
    return 'no reason' unless $reason;
    return _counted('not run');
}


sub _run_by {
    my ($block, $test) = @_;
    my $text = Referral::Nginx::_read("$Referral::Nginx::ROOT/$test");

    return "there is no $test" unless $text;
    return "$test neither reads $block->{file} nor has a file of the block"
        unless grep { index($text, $_) >= 0 } $block->{file},
            $block->{text} =~ m{\b(\w+/[\w.]+)}g;
    return _counted('by another test');
}


sub _elsewhere {
    my ($self, $block) = @_;
    my $new = __PACKAGE__->new;
    my @marks = grep { $_->[0] ne 'elsewhere' } @{ $block->{marks} };
    my $why = $new->_do({ %$block, marks => \@marks });

    $new->place->leave;
    return $why;
}


sub _files {
    my ($self, @blocks) = @_;

    for my $block (@blocks) {
        my ($file) = map { $_->[1] } grep { $_->[0] eq 'file' }
            @{ $block->{marks} };
        $self->place->put($file, $block->{text}) if $file;
    }
}


sub _line_of {
    my ($self, $block, $file) = @_;
    my $place = $self->place;

    $place->append($file, $block->{text});
    my ($code, $out) = $place->sh('nginx -t');
    return _counted('line of a file') . ($code ? $out : '');
}


sub _input_of {
    my ($self, $block, $command) = @_;
    my ($code, $out) = $self->place->sh("$command <<'END'\n$block->{text}END");
    return _counted('input of a command') . ($code ? $out : '');
}


# ----------------------------------------------------------------- kinds --

sub _nginx {
    my ($self, $text) = @_;
    my $place = $self->place;

    if (whole($text)) {
        $place->put('/etc/nginx/nginx.conf', $text);
        return '';
    }

    my ($conf, $maps) = completed($text, $self->{maps});
    $self->{maps} .= $maps;

    my ($code, $out) = $place->check($conf);
    return $code ? "$out\n$conf" : '';
}


sub _sh {
    my ($self, $text) = @_;
    my ($code, $out, $err) = $self->place->sh($text);
    return $code ? "exit status $code\n$out$err" : '';
}


sub _console {
    my ($self, $text) = @_;
    my @parts = split /^[#\$] /m, $text;
    my (@commands, @wanted);

    return 'it does not begin with a prompt' if length shift @parts;

    for (@parts) {
        my ($command, $rest) = /^((?:[^\n]*\\\n)*[^\n]*\n)(.*)\z/s;
        push @commands, $command;
        push @wanted, $rest;
    }

    my ($code, $out, $err) = $self->place->sh(
        join "printf '\\n@@@@\\n'\n", map { "{ $_} 2>&1\n" } @commands);
    return "exit status $code\n$out$err" if $code;

    my @said = split /^\n?\@\@\@\@\n/m, $out, -1;
    return join '', map {
        said_like($said[$_] // '', $wanted[$_])
            ? () : "$commands[$_]said:\n$said[$_]wanted:\n$wanted[$_]"
    } grep { $wanted[$_] =~ /\S/ } 0 .. $#commands;
}


sub _answer {
    my ($self, $text, $block) = @_;
    my @asked = map { $_->[1] } grep { $_->[0] eq 'answer' }
        @{ $block->{marks} };
    my @values = eval { _values($text) };

    return "it is no JSON: $@" if $@;
    return 'it is not said of what it is the answer' unless @asked;

    if ($block->{kind} eq 'ndjson') {
        my @got = _values($self->_asked($asked[0])->body);
        return join '', map { _line($_, $block, @got) } @values;
    }

    return 'as many values as answers, please' if @asked != @values;
    return join '', map {
        my $got = $self->_part($asked[$_]);
        map { "$_\n" } compare($values[$_], $got, $block->{prose})
    } 0 .. $#values;
}


# A line of NDJSON is like one of the same type.

sub _line {
    my ($want, $block, @got) = @_;
    my @like = grep { ($_->{type} // '') eq ($want->{type} // '') } @got;

    return "no line of type $want->{type}\n" unless @like;
    for my $got (@like) {
        return '' unless my @why = compare($want, $got, $block->{prose});
    }
    return join '', map { "$_\n" } compare($want, $like[0], $block->{prose});
}


sub _values {
    my ($text) = @_;
    my $json = JSON::PP->new->utf8;
    my @values;

    $json->incr_parse($text);
    while (defined(my $value = $json->incr_parse)) {
        push @values, $value;
    }
    die "something is left\n" if $json->incr_text =~ /\S/;
    return @values;
}


sub _part {
    my ($self, $asked) = @_;
    my ($path) = $asked =~ / (data\S*)$/ or return $self->_asked($asked)->json;
    my $got = $self->_asked($asked =~ s/ data\S*$//r)->json;

    $got = ref $got eq 'ARRAY' ? $got->[$_] : $got->{$_}
        for split /\./, $path;
    return $got;
}


sub _asked {
    my ($self, $asked) = @_;
    return $self->{asked}{$asked}->($self) if $self->{asked}{$asked};
    my ($method, $path, $body) = $asked =~ /^(\S+) (\S+) ?(.*)/;
    my $type = $body =~ /\} \{/ ? 'application/x-ndjson' : undef;

    $body =~ s/\} \{/}\n{/g;
    my $r = $self->place->ask($method, $path, length $body ? $body : undef,
        $type);
    die "$asked: ", $r->status, ' ', $r->body if $r->status >= 300;
    return $r;
}


sub _http {
    my ($self, $text) = @_;

    if ($text =~ /^(GET|PUT|POST|DELETE) \/referral(\/\S+)\n(.*)/s) {
        my $r = $self->place->ask($1, $2, length $3 ? $3 : undef);
        return $r->status < 300 ? '' : $r->status . ' ' . $r->body;
    }

    my ($order) = $text =~ /^X-Referral-Event: .*order_id="([^"]+)"/
        or return 'neither a request nor an event';
    return $self->place->answers($text, sub {
        $self->place->ask(GET => "/v1/conversions/$order")->status == 200;
    }) ? '' : "there is no order $order";
}


sub _html {
    my ($self, $text) = @_;
    my @urls = $text =~ /\b(?:src|href)="([^"#]+)/g;

    return 'there is no URL' unless @urls;
    my ($code, $out, $err) = $self->place->sh(
        join "\n", map { "curl -o page.html '$_'" } @urls);
    return $code ? "exit status $code\n$out$err" : '';
}


# With what the text around it takes for granted.

sub _php {
    my ($self, $text) = @_;
    my ($code, $out, $err) = $self->place->sh(<<'END' . "\n$text\nEND\n");
php -d include_path=examples/shop -d display_errors=stderr <<'END'
<?php
set_error_handler(function ($no, $text, $file, $line) {
    file_put_contents('php://stderr', "$text in line $line\n");
    exit(1);
});
$token = getenv('TOKEN');
$secret = trim(file_get_contents('/etc/nginx/referral.secrets'));
$order = ['id' => 'p' . time()];
$customer = ['id' => 'u9', 'code' => 'ANNA42'];
$_SERVER['HTTP_X_REFERRAL_TOKEN'] = getenv('X_REFERRAL_TOKEN');
function save($order, $message) { }
function remove($message) { echo "removed\n"; }
register_shutdown_function(function () {
    global $answer, $progress;
    exit($answer['status'] === 201 && $answer['data']['code'] === 'ANNA42'
        && $progress['code'] === 'ANNA42' ? 0 : 1);
});
END
    return $code ? "exit status $code\n$out$err" : '';
}


1;
