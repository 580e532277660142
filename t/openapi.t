# docs/openapi.yaml, both ways, against the table of routes and the problem codes
# of the sources.  What is answered: t/openapi_answers.t.

use strict;
use warnings;

use List::Util qw(sum0);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::OpenAPI;

my $ROOT = $Referral::Nginx::ROOT;
my $SOURCES = "$ROOT/ngx_http_referral_module";

sub slurp {
    my ($file) = @_;
    open my $f, '<', $file or die "$file: $!";
    local $/;
    return <$f>;
}

my ($doc, @operations) = openapi();


# Methods, paths, scopes, bodies and query parameters.

my %BODIES = (NO_BODY => 'none', JSON => 'application/json required',
    OPTIONAL => 'application/json optional',
    NDJSON => 'application/json,application/x-ndjson required');

sub told {
    my ($o) = @_;
    my $key = "$o->{method} $o->{path}" =~ s/\{\w+\}/*/gr;
    my $needed = $o->{about}{requestBody}{required} ? 'required' : 'optional';

    return $key => join ' ', $o->{scope},
        $o->{body} ? (join(',', @{ $o->{body} }), $needed) : 'none',
        sort map { $_->{name} } @{ $o->{query} };
}

my ($table) = slurp("$SOURCES/ngx_http_referral_api_routes.c")
    =~ /_api_routes\[\] = \{\n(.*?)\n\};/s;
my %routes;

while ($table =~ /\{ \s* ngx_string\("([^"]*)"\), \s* NGX_HTTP_(\w+), \s*
    REFERRAL_SCOPE_(\w+), \s* NGX_HTTP_REFERRAL_API_(\w+), \s* \w+, \s*
    \{ ([^{}]*) \} \s* \}/gx)
{
    my ($path, $method, $scope, $body, $query) = ($1, lc $2, lc $3, $4, $5);
    $routes{"$method /$path"} = join ' ', $scope, $BODIES{$body},
        sort $query =~ /"(\w+)"/g;
}

is(scalar keys %routes, () = $table =~ /NGX_HTTP_REFERRAL_API_\w+,/g,
    'the table of routes was read');
is_deeply({ map { told($_) } grep { !$_->{elsewhere} } @operations }, \%routes,
    'methods, paths, scopes, bodies and query parameters');


# Problems; those of paths that are not described are in its introduction.

my %STATUS = (NGX_HTTP_BAD_REQUEST => 400, NGX_HTTP_UNAUTHORIZED => 401,
    NGX_HTTP_FORBIDDEN => 403, NGX_HTTP_NOT_FOUND => 404, NGX_HTTP_NOT_ALLOWED => 405,
    NGX_HTTP_CONFLICT => 409, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE => 413,
    NGX_HTTP_UNSUPPORTED_MEDIA_TYPE => 415, NGX_HTTP_SERVICE_UNAVAILABLE => 503);

my (%codes_sent, $calls);

for my $file (glob "$SOURCES/*.c") {
    my $text = slurp($file);

    $calls += () = $text =~ /_api_refuse\((?!\s*ngx_http_referral_api_problem_t)/g;
    $codes_sent{($STATUS{$1} || $1) . " $2"}++
        while $text =~ /_api_refuse\(\s*[^,;]*,\s*(\w+),\s*"(\w+)"/g;
}

is(sum0(values %codes_sent), $calls, 'all problems of the sources were read');

my %codes_told = map { $_ => 1 } (map { @{ $_->{problems} } } @operations),
    '404 not_found', '404 page_not_installed', '405 method_not_allowed';

is_deeply([sort keys %codes_told], [sort keys %codes_sent],
    'problems: statuses and codes');

my %named = map { s/^\d+ //r => 1 } keys %codes_sent;
is_deeply($doc->{components}{schemas}{ProblemCode}{enum}, [sort keys %named],
    'the codes of problems');

is($doc->{info}{version}, slurp("$ROOT/lmdb-store/referral_version.h")
    =~ /REFERRAL_VERSION\s+"([^"]+)"/ ? $1 : undef, 'the version');

finish();
