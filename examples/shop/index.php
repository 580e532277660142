<?php
// Which page, for whom.

declare(strict_types=1);

require __DIR__ . '/shop.php';
require __DIR__ . '/pages.php';

function session(): void
{
    session_start(['name' => 'shop', 'save_path' => getenv('SHOP_DIR'),
        'use_strict_mode' => true, 'cookie_httponly' => true,
        'cookie_samesite' => 'Lax',
        'cookie_secure' => isset($_SERVER['HTTPS'])]);
}

// Who has no session is given none for looking around.

function customer(): ?array
{
    if (isset($_COOKIE['shop'])) {
        session();
    }
    return shop()['customers'][$_SESSION['customer'] ?? ''] ?? null;
}

function login(array $customer): never
{
    if (session_status() === PHP_SESSION_NONE) {
        session();
    }
    session_regenerate_id(true);
    $_SESSION['customer'] = $customer['id'];
    $item = field('item');
    go(isset(GOODS[$item]) ? "/checkout/$item" : '/referrals');
}

function go(string $path): never
{
    header("Location: $path", true, 303);
    exit;
}

function field(string $name): string
{
    $value = $_POST[$name] ?? $_GET[$name] ?? '';
    return is_string($value) && strlen($value) <= 100
        && preg_match('/^[^\p{Cc}]*$/u', $value) ? trim($value) : '';
}

function sign_up(): string
{
    $name = field('name');
    $email = strtolower(field('email'));
    $password = field('password');

    if ($name === '' || !str_contains($email, '@') || strlen($password) < 8) {
        return account_page('register', 'Please give a name, an address, and a '
            . 'password of 8 characters or more.');
    }

    $customer = register($name, $email, $password);
    if ($customer === null) {
        return account_page('register', 'This address has an account.');
    }
    login($customer);
}

function sign_in(): string
{
    $customer = find_customer(strtolower(field('email')));
    $hash = $customer['password'] ?? '';

    if (!password_verify(field('password'), $hash)) {
        return account_page('login', 'Address or password are not right.');
    }
    login($customer);
}

function checkout(?array $customer, string $item, bool $buy): string
{
    if ($customer === null) {
        go("/register?item=$item");
    }
    if (!$buy) {
        return checkout_page($item, welcome($customer));
    }
    $done = order($customer, $item, field('key'), (int) field('price'));
    go($done ? '/orders' : "/checkout/$item");
}

function cancel_order(?array $customer, string $id): string
{
    $order = shop()['orders'][$id] ?? null;
    if ($customer === null || $order === null
        || $order['customer'] !== $customer['id'])
    {
        return missing_page();
    }
    cancel($id);
    go('/orders');
}

function answer(string $method, string $path): string
{
    $post = $method === 'POST';
    [, $page, $item] = explode('/', "$path/");
    $customer = in_array($page, ['', 'goods'], true) ? null : customer();

    return match (true) {
        $path === '/' => front_page(),
        $page === 'goods' && isset(GOODS[$item]) => goods_page($item),
        $path === '/register' => $post ? sign_up() : account_page('register'),
        $path === '/login' => $post ? sign_in() : account_page('login'),
        $page === 'checkout' && isset(GOODS[$item]) =>
            checkout($customer, $item, $post),
        $path === '/orders' && $customer !== null => orders_page($customer),
        $page === 'orders' && $post => cancel_order($customer, $item),
        $path === '/referrals' && $customer !== null =>
            referrals_page($customer),
        $path === '/orders' || $path === '/referrals' => account_page('login'),
        default => missing_page(),
    };
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: '/';

if ($path === '/style.css') {
    header('Content-Type: text/css');
    readfile(__DIR__ . '/style.css');
    exit;
}

header("Content-Security-Policy: default-src 'none'; style-src 'self'; "
    . "form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
header('X-Content-Type-Options: nosniff');

// A form of another site is no order.

if ($_SERVER['REQUEST_METHOD'] === 'POST' && in_array(
    $_SERVER['HTTP_SEC_FETCH_SITE'] ?? '', ['cross-site', 'same-site'], true))
{
    http_response_code(403);
    exit;
}

echo answer($_SERVER['REQUEST_METHOD'], $path);
