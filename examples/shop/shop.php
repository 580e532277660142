<?php
// The shop itself: customers and orders, in one JSON file.

declare(strict_types=1);

require __DIR__ . '/referral.php';

const GOODS = [
    'kettle'  => ['Gooseneck kettle', 4900, 'Pours where you look.'],
    'grinder' => ['Hand grinder', 8900, 'Forty turns to a quiet cup.'],
    'beans'   => ['House beans', 1450, 'Roasted on Tuesdays.'],
    'cups'    => ['Two stoneware cups', 2800, 'No two are alike.'],
];

function referral(): Referral
{
    return new Referral(getenv('REFERRAL_URL'), getenv('REFERRAL_TOKEN'),
        getenv('REFERRAL_SECRET'));
}

function shop(): array
{
    $text = @file_get_contents(getenv('SHOP_DIR') . '/shop.json');
    return json_decode($text ?: '', true)
        ?? ['customers' => [], 'orders' => [], 'outbox' => [], 'refused' => []];
}

// The only way to write.  $change gets the shop by reference; what it returns
// is returned, and what it changed is there completely or not at all.

function change(callable $change): mixed
{
    $file = getenv('SHOP_DIR') . '/shop.json';
    $lock = fopen("$file.lock", 'c');
    flock($lock, LOCK_EX);

    $shop = shop();
    $result = $change($shop);
    $new = fopen("$file.new", 'w');
    fwrite($new, json_encode($shop, JSON_THROW_ON_ERROR));
    fsync($new);
    rename("$file.new", $file);

    fclose($lock);
    return $result;
}

function enqueue(array &$shop, array $message): void
{
    $shop['outbox'][bin2hex(random_bytes(8))] = $message;
}

// Sends what waits.  Messages that nobody heard stay, those that were refused
// are put aside for a person to look at.  A visitor waits for one of these at
// most, outbox.php tries all.

function deliver(bool $all = false): void
{
    foreach (shop()['outbox'] as $key => $message) {
        $answer = referral()->send($message);
        if ($answer === null && $all) {
            continue;
        }
        if ($answer === null) {
            return;
        }

        change(function (array &$shop) use ($key, $message, $answer): void {
            unset($shop['outbox'][$key]);
            if ($answer['status'] >= 400) {
                $shop['refused'][$key] = $message + $answer;
            }
        });
    }
}

function find_customer(string $email): ?array
{
    foreach (shop()['customers'] as $customer) {
        if ($customer['email'] === $email) {
            return $customer;
        }
    }
    return null;
}

// A customer, or null: there is one with this address.  Each is a referrer,
// with a code that nobody guesses.

function register(string $name, string $email, string $password): ?array
{
    $customer = ['id' => 'c' . bin2hex(random_bytes(6)),
        'code' => strtoupper(bin2hex(random_bytes(5))),
        'name' => $name, 'email' => $email, 'welcome' => '',
        'password' => password_hash($password, PASSWORD_DEFAULT)];

    $messages = [
        Referral::code($customer['code'], $customer['id'], $name),
        Referral::event('signup', "signup-{$customer['id']}",
            ['customer_id' => $customer['id'],
             'token' => Referral::visitor()['token']]),
    ];

    $new = change(function (array &$shop) use ($customer, $messages): bool {
        if (in_array($customer['email'],
            array_column($shop['customers'], 'email'), true))
        {
            return false;
        }
        $shop['customers'][$customer['id']] = $customer;
        foreach ($messages as $message) {
            enqueue($shop, $message);
        }
        return true;
    });

    deliver();
    return $new ? $customer : null;
}

// The reward that a customer got for coming by a link, unless it was used.

function welcome(array $customer): ?array
{
    if ($customer['welcome'] !== '') {
        return null;
    }

    $signup = referral()->get("/v1/conversions/signup-{$customer['id']}");

    foreach ($signup['rewards'] ?? [] as $reward) {
        if ($reward['to'] === 'friend' && $reward['state'] === 'approved') {
            return $reward;
        }
    }
    return null;
}

function price(string $item, ?array $welcome): int
{
    $off = (int) ($welcome['value'] ?? 0);
    return GOODS[$item][1] - intdiv(GOODS[$item][1] * $off, 100);
}

// False: the price is not the one that was shown, ask again.  $key comes with
// the form: a form that is sent twice is one order.

function order(array $customer, string $item, string $key, int $shown): bool
{
    $welcome = welcome($customer);
    $token = Referral::visitor()['token'];

    $done = change(function (array &$shop) use ($customer, $item, $key, $shown,
        $welcome, $token): bool
    {
        if (in_array($key, array_column($shop['orders'], 'key'), true)) {
            return true;
        }

        $mine = &$shop['customers'][$customer['id']];
        $welcome = $mine['welcome'] === '' ? $welcome : null;
        $amount = price($item, $welcome);

        if ($amount !== $shown) {
            return false;
        }

        $order = ['id' => (string) (1001 + count($shop['orders'])),
            'key' => $key, 'customer' => $customer['id'], 'item' => $item,
            'amount' => $amount, 'token' => $token, 'status' => 'paid'];

        $shop['orders'][$order['id']] = $order;
        enqueue($shop, Referral::event('purchase', $order['id'],
            ['amount' => $amount, 'currency' => 'EUR',
             'customer_id' => $customer['id'], 'token' => $token]));

        if ($welcome !== null) {
            $mine['welcome'] = $welcome['id'];
            enqueue($shop, Referral::claim($welcome['id']));
        }
        return true;
    });

    deliver();
    return $done;
}

function cancel(string $id): void
{
    change(function (array &$shop) use ($id): void {
        $shop['orders'][$id]['status'] = 'cancelled';
        enqueue($shop, Referral::refund($id, 'cancelled'));
    });
    deliver();
}
