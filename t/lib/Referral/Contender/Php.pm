package Referral::Contender::Php;

# Copyright (C) the ngx_http_referral_module authors

# PHP-FPM and MariaDB over unix sockets, with kept database connections and the
# cache of compiled scripts; InnoDB as it comes: a commit is on disk.

use strict;
use warnings;

use parent -norequire, 'Referral::Contender';

use Referral::Bench ();
use Referral::Daemon;
use Referral::Redirect ();
use Referral::Run qw(run);

my $CHILDREN = 32;
my $STACKS = "$Referral::Bench::ROOT/t/bench/stacks";


sub prepare {
    my ($self) = @_;

    $self->{sockets} = $self->nginx->intake;
    $self->database;
    $self->fpm;
}


sub daemons { @{ $_[0] }{qw(mariadb php)} }


sub database {
    my ($self) = @_;
    my $dir = $self->dir;
    my @user = $> == 0 ? '--user=root' : ();

    my $out = `mariadb-install-db --no-defaults --datadir=$dir/mariadb \\
        --auth-root-authentication-method=normal --skip-test-db @user 2>&1`;
    die "mariadb-install-db failed:\n$out" if $?;

    $self->{mariadb} = Referral::Daemon->new(log => "$dir/mariadb.log",
        socket => "$self->{sockets}/db.sock",
        ready => sub { $self->sql('SELECT 1') eq '1' },
        command => ['mariadbd', '--no-defaults', "--datadir=$dir/mariadb",
            "--socket=$self->{sockets}/db.sock", '--skip-networking', @user,
            '--pid-file=pid', '--innodb-buffer-pool-size=512M',
            '--innodb-log-file-size=512M', '--max-connections=200']);
}


sub fpm {
    my ($self) = @_;
    my $dir = $self->dir;
    my ($binary) = sort { $b cmp $a } glob '/usr/sbin/php-fpm[0-9]*';
    my @root = $> == 0 ? '-R' : ();
    my $user = $> == 0 ? "user = root\ngroup = root" : '';

    open my $f, '>', "$dir/php.conf" or die "$dir/php.conf: $!\n";
    print $f <<EOC;
[global]
error_log = $dir/php.log
[www]
$user
listen = $self->{sockets}/php.sock
listen.backlog = 4096
pm = static
pm.max_children = $CHILDREN
php_admin_value[opcache.validate_timestamps] = 0
EOC
    close $f;

    $self->{php} = Referral::Daemon->new(log => "$dir/php.out",
        socket => "$self->{sockets}/php.sock",
        ready => sub { -S "$self->{sockets}/php.sock" },
        command => [$binary || 'php-fpm', '-F', '-y', "$dir/php.conf", @root]);
}


sub sql {
    my ($self, $sql) = @_;

    my ($code, $out) = run({}, 'mariadb', '--no-defaults', '-u', 'root', '-N',
        '-B', '-S', "$self->{sockets}/db.sock", '-e', $sql);
    return $out =~ s/\n\z//r;
}


sub fill {
    my ($self) = @_;
    my $values = join ', ', map { qq{("$_", "$self->{sample}{Location}")} }
        @Referral::Redirect::CODES;

    $self->sql(qq{CREATE DATABASE shop; USE shop; SOURCE $STACKS/click.sql;
        INSERT INTO link (code, landing) VALUES $values;
        CREATE USER bench\@localhost IDENTIFIED BY "bench";
        GRANT ALL ON shop.* TO bench\@localhost});
    $self->sql('SELECT COUNT(*) FROM shop.link') == @Referral::Redirect::CODES
        or die "mariadb: no codes\n";
}


sub counted {
    my ($self) = @_;
    return $self->sql('SELECT COUNT(*) FROM shop.click') || 0;
}


sub conf {
    my ($self) = @_;
    my $key = 'a key of thirty-two bytes, secret';

    return $self->plain(<<EOC);
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location ~ "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})\$" {
            fastcgi_pass unix:$self->{sockets}/php.sock;
            fastcgi_param SCRIPT_FILENAME $STACKS/click.php;
            fastcgi_param REQUEST_METHOD \$request_method;
            fastcgi_param CODE \$code;
            fastcgi_param DB_SOCKET $self->{sockets}/db.sock;
            fastcgi_param COOKIE_KEY "$key";
        }
        location = /status { stub_status; }
    }
EOC
}


1;
