<?php

// A link of the PHP contender: two statements over a kept connection, each one
// round trip; the click is on disk when the redirect is answered.

$db = new PDO('mysql:unix_socket=' . $_SERVER['DB_SOCKET'] . ';dbname=shop',
    'bench', 'bench', [PDO::ATTR_PERSISTENT => true]);
$code = $_SERVER['CODE'];

$link = $db->prepare('SELECT id, landing FROM link WHERE code = ?');
$link->execute([$code]);
$row = $link->fetch(PDO::FETCH_NUM);

if (!$row) {
    http_response_code(404);
    exit;
}

$id = base64url(random_bytes(9));
$click = $db->prepare('INSERT INTO click (link, id) VALUES (?, ?)');
$click->execute([$row[0], $id]);

$value = '1.1.' . base_convert((string) $_SERVER['REQUEST_TIME'], 10, 36)
    . ".$code..$id";
$tag = hash_hmac('sha256', $value, $_SERVER['COOKIE_KEY'], true);

header("Set-Cookie: ref_friends=$value." . base64url(substr($tag, 0, 16))
    . '; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax');
header("Location: $row[1]", true, 302);


function base64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}
