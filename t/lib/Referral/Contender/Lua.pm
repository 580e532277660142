package Referral::Contender::Lua;

# Copyright (C) the ngx_http_referral_module authors

# Debian's Lua module and a Redis on a unix socket, with an append-only file;
# scripts in t/bench/stacks.  The file is not rewritten meanwhile.

use strict;
use warnings;

use parent -norequire, 'Referral::Contender';

use Referral::Bench ();
use Referral::Daemon;
use Referral::Redirect ();
use Referral::Run qw(run);

my $MODULES = '/usr/lib/nginx/modules';


sub prepare {
    my ($self) = @_;
    my $dir = $self->dir . '/redis';

    mkdir $dir, 0700 or die "$dir: $!\n";
    $self->{socket} = $self->nginx->intake . '/redis.sock';
    $self->{redis} = Referral::Daemon->new(log => "$dir/log",
        socket => $self->{socket},
        ready => sub { $self->redis('PING') eq 'PONG' },
        command => [qw(redis-server --port 0 --unixsocket), $self->{socket},
            '--dir', $dir, qw(--appendonly yes --appendfsync), $self->{fsync},
            '--save', '', qw(--auto-aof-rewrite-percentage 0
            --maxclients 8192)]);
}


sub daemons { $_[0]{redis} }


sub redis {
    my ($self, @command) = @_;
    my ($code, $out) = run({}, 'redis-cli', '-s', $self->{socket}, @command);
    return $out =~ s/\n\z//r;
}


sub fill {
    my ($self) = @_;
    my @pairs = map { ("link:$_", $self->{sample}{Location}) }
        @Referral::Redirect::CODES;

    $self->redis('MSET', @pairs) eq 'OK' or die "redis: no codes\n";
}


sub counted {
    my ($self) = @_;
    my $dict = 'redis.call("HVALS", "clicks")';
    my $keys = 'redis.call("MGET", unpack(redis.call("KEYS", "clicks:*")))';

    return $self->redis('XLEN', 'clicks')
        if $self->{script} ne 'lua-dict' && !$self->{totals};
    return $self->redis('EVAL', 'local sum = 0; for _, n in ipairs('
        . ($self->{totals} ? $keys : $dict)
        . ') do sum = sum + n end; return sum', 0);
}


sub conf {
    my ($self) = @_;
    my $script = $self->{script};
    my $totals = $self->{totals} ? 'true' : 'false';
    my @load = map { "load_module $MODULES/$_;" }
        qw(ndk_http_module.so ngx_http_lua_module.so);
    my $dict = $script eq 'lua-dict' ? <<'EOC' : '';
    lua_shared_dict links 16m;
    lua_shared_dict clicks 16m;
    init_worker_by_lua_block { require("lua-dict").start() }
EOC

    return $self->plain(<<EOC, @load);
    lua_package_path "$Referral::Bench::ROOT/t/bench/stacks/?.lua;;";
    lua_socket_log_errors off;
    init_by_lua_block {
        local link = require "link"
        link.address, link.totals = "unix:$self->{socket}", $totals
    }
$dict
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location /r/ {
            content_by_lua_block { require("$script").redirect() }
        }
        location = /status { stub_status; }
    }
EOC
}


1;
