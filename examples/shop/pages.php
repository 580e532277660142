<?php
// What the pages look like.  Everything goes through text().

declare(strict_types=1);

function text(string|int|null $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE,
        'UTF-8');
}

function money(int $cents): string
{
    return '&euro; ' . number_format($cents / 100, 2);
}

function page(string $title, string $main): string
{
    $title = text($title);

    return <<<HTML
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>$title - Kestrel Coffee</title>
        <link rel="stylesheet" href="/style.css">
        <header><a href="/"><b>Kestrel Coffee</b></a>
        <nav><a href="/orders">Orders</a>
        <a href="/referrals">Refer a friend</a></nav>
        </header>
        <main><h1>$title</h1>$main</main>
        </html>
        HTML;
}

function missing_page(): string
{
    http_response_code(404);
    return page('Not here', '<p><a href="/">To the front page</a></p>');
}

function front_page(): string
{
    $cards = '';
    foreach (GOODS as $item => [$name, $cents, $words]) {
        $cards .= "<a class=\"card $item\" href=\"/goods/$item\"><i></i>"
            . "<b>$name</b><span>$words</span>" . money($cents) . '</a>';
    }
    return page('Everything for a good cup',
        "<div class=\"goods\">$cards</div>");
}

function goods_page(string $item): string
{
    [$name, $cents, $words] = GOODS[$item];

    return page($name, "<p>$words " . money($cents) . '</p>'
        . "<p><a class=\"button\" href=\"/checkout/$item\">Buy it</a></p>");
}

function account_page(string $page, string $problem = ''): string
{
    $new = $page === 'register';
    $item = text(field('item'));
    $rest = $item === '' ? '' : "?item=$item";
    $name = $new ? '<label>Name <input name="name" required></label>' : '';
    $friend = text(Referral::visitor()['code']);

    return page($new ? 'Open an account' : 'Sign in',
        ($problem === '' ? '' : '<p class="problem">' . text($problem) . '</p>')
        . ($new && $friend !== ''
            ? "<p id=\"friend\">A friend sent you ($friend): 10% off your "
                . 'first order.</p>'
            : '')
        . "<form method=\"post\" action=\"/$page\">$name"
        . "<input type=\"hidden\" name=\"item\" value=\"$item\">"
        . '<label>Address <input name="email" type="email" required></label>'
        . '<label>Password <input name="password" type="password" required>'
        . '</label><button>' . ($new ? 'Open it' : 'Sign in')
        . '</button></form>'
        . ($new ? "<p>Or <a href=\"/login$rest\">sign in</a>.</p>"
            : "<p>Or <a href=\"/register$rest\">open an account</a>.</p>"));
}

function checkout_page(string $item, ?array $welcome): string
{
    [$name] = GOODS[$item];
    $key = bin2hex(random_bytes(8));
    $price = price($item, $welcome);
    $off = $welcome === null ? '' : '<p id="welcome">' . text($welcome['value'])
        . ' off, because a friend sent you.</p>';

    return page('Checkout', "<p>$name</p>$off<p>To pay: <b id=\"price\">"
        . money($price) . '</b></p>'
        . "<form method=\"post\" action=\"/checkout/$item\">"
        . "<input type=\"hidden\" name=\"key\" value=\"$key\">"
        . "<input type=\"hidden\" name=\"price\" value=\"$price\">"
        . '<button>Buy it</button></form>');
}

function orders_page(array $customer): string
{
    $rows = '';
    foreach (shop()['orders'] as $order) {
        if ($order['customer'] !== $customer['id']) {
            continue;
        }
        $id = text($order['id']);
        $rows .= "<tr><td>$id</td><td>" . text(GOODS[$order['item']][0])
            . '</td><td>' . money($order['amount']) . '</td><td>'
            . text($order['status']) . '</td><td>'
            . ($order['status'] === 'paid'
                ? "<form method=\"post\" action=\"/orders/$id/cancel\">"
                    . '<button>Send it back</button></form>'
                : '') . '</td></tr>';
    }
    return page('Your orders', $rows === '' ? '<p>None yet.</p>'
        : "<table id=\"orders\">$rows</table>");
}

// Counts only: a referrer is not told who their friends are.

function referrals_page(array $customer): string
{
    $link = text(getenv('SHOP_URL') . "/r/{$customer['code']}");
    $share = "<p>Your link: <b id=\"link\">$link</b></p>"
        . '<p>Friends get 10% off their first order, you get a voucher for '
        . 'each order of theirs.</p>';
    $code = referral()->get("/v1/codes/{$customer['code']}");

    if ($code === null) {
        return page('Refer a friend', "$share<p id=\"later\">We are counting. "
            . 'Look again in a minute.</p>');
    }

    $list = referral()->get("/v1/rewards?to=referrer&code={$customer['code']}");

    return page("Refer a friend, {$customer['name']}", $share
        . numbers($code) . tier($code) . rewards($list['data'] ?? []));
}

function numbers(array $code): string
{
    $good = fn (string $event): int => ($code['events'][$event]['pending'] ?? 0)
        + ($code['events'][$event]['approved'] ?? 0);
    $numbers = ['clicks' => $code['clicks']['human'],
        'friends' => $good('signup'), 'orders' => $good('purchase'),
        'points' => $code['points']];
    $html = '';

    foreach ($numbers as $name => $number) {
        $html .= "<div><b id=\"$name\">" . text($number) . "</b> $name</div>";
    }
    return "<div class=\"numbers\">$html</div>";
}

function tier(array $code): string
{
    ['name' => $name, 'next' => $next, 'remaining' => $left] = $code['tier'];
    $points = $code['points'];
    $here = $name === null ? ''
        : 'You are <b id="tier">' . text($name) . '</b>. ';

    return "<p>$here" . ($next === null ? '' : '<progress max="'
        . text($points + $left) . '" value="' . text($points)
        . '"></progress> ' . text($left) . ' points to ' . text($next) . '.')
        . '</p>';
}

function rewards(array $rewards): string
{
    $rows = '';
    foreach ($rewards as $reward) {
        $rows .= '<tr><td>' . text($reward['value'] ?? $reward['name'])
            . '</td><td>' . text(match ($reward['state']) {
                'pending' =>
                    'yours on ' . substr($reward['approves_at'], 0, 10),
                'held' => 'we look into it',
                'approved' => 'yours',
                'claimed' => 'given',
                default => 'taken back',
            }) . '</td></tr>';
    }
    return $rows === '' ? ''
        : "<h2>Rewards</h2><table id=\"rewards\">$rows</table>";
}
