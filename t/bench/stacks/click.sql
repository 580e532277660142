-- Tables of the PHP contender.

CREATE TABLE link (
    id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    landing varchar(2048) NOT NULL
);

CREATE TABLE click (
    number bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    link int unsigned NOT NULL,
    at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    id char(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    KEY (link, at)
);
