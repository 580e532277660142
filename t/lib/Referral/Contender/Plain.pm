package Referral::Contender::Plain;

# Copyright (C) the ngx_http_referral_module authors

# nginx as it comes: the floor, which does nothing of the job, and a log of the
# clicks that somebody counts later.  Then the codes are a map, and the cookie
# has a random number, but cannot be signed.

use strict;
use warnings;

use parent -norequire, 'Referral::Contender';

use Referral::Redirect qw(floor_http);


sub conf {
    my ($self) = @_;
    my $kind = $self->{kind};
    return $self->$kind;
}


sub floor {
    my ($self) = @_;
    return $self->plain(floor_http($self->{sample}));
}


sub access_log {
    my ($self) = @_;
    my $map = join '', map { "        $_ $self->{sample}{Location};\n" }
        @Referral::Redirect::CODES;
    my ($name, $value, $rest) =
        $self->{sample}{'Set-Cookie'} =~ /^([^=]+=)([^;]+)(.*)/;
    my $fill = '0' x (length($value)
        - length("$Referral::Redirect::CODES[0].") - 32);

    return $self->plain(<<EOC);
    log_format click '\$msec \$status \$code \$request_id \$http_user_agent';
    map \$code \$landing {
        default '';
$map    }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location ~ "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})\$" {
            access_log %%DIR%%/clicks.log click buffer=64k flush=1s;
            if (\$landing = '') {
                return 404;
            }
            add_header Set-Cookie "$name$fill\$code.\$request_id$rest";
            return 302 \$landing;
        }
        location = /status { stub_status; }
    }
EOC
}


# What was added to the log since the last time.

sub counted {
    my ($self) = @_;
    return undef if $self->{kind} eq 'floor';

    open my $log, '<', $self->dir . '/clicks.log' or return 0;
    seek $log, $self->{offset} || 0, 0;

    while (my $line = <$log>) {
        last unless $line =~ /\n\z/;
        $self->{offset} = tell $log;
        $self->{lines}++ if $line =~ /^\S+ 302 /;
    }

    return $self->{lines} || 0;
}


1;
