<?php
// Copyright (C) the ngx_http_referral_module authors
//
// What a storefront needs to take part in a referral program: copy this file.
//
//   $referral = new Referral('http://10.0.0.5:8081', $token, $secret);
//
//   $token = Referral::visitor()['token'];          // keep it with the order
//   $message = Referral::event('purchase', '1001', ['amount' => 4999,
//       'currency' => 'EUR', 'customer_id' => 'u9', 'token' => $token]);
//   $answer = $referral->send($message);            // null: send it again
//
// The order id makes it safe to send a message as often as it takes: it counts
// once.  So save the message together with the order, and remove it when there
// was an answer.

declare(strict_types=1);

final class Referral
{
    public function __construct(
        private string $url,            // location of referral_api
        private string $token,          // of its token_file, scope "write"
        private string $secret = '',    // of its secret_file, if there is one
        private float $timeout = 2.0,   // seconds: a visitor is waiting
    ) {
    }

    /**
     * What nginx verified about whoever made this request: code, token and the
     * others of X-Referral-*; empty strings when nobody sent them.
     */
    public static function visitor(): array
    {
        $visitor = [];
        foreach (['code', 'channel', 'click', 'time', 'token'] as $name) {
            $key = 'HTTP_X_REFERRAL_' . strtoupper($name);
            $visitor[$name] = $_SERVER[$key] ?? '';
        }
        return $visitor;
    }

    /* Messages, to be sent by send(). */

    public static function event(string $event, string $orderId,
        array $more): array
    {
        $known = array_filter($more, fn ($value) => $value !== '');
        return self::message('POST', '/v1/conversions',
            ['event' => $event, 'order_id' => $orderId] + $known);
    }

    /** The whole order, or an amount of it in cents. */
    public static function refund(string $orderId, string $refundId,
        ?int $amount = null): array
    {
        return self::message('POST',
            '/v1/conversions/' . rawurlencode($orderId) . '/refunds',
            ['refund_id' => $refundId]
                + ($amount === null ? [] : ['amount' => $amount]));
    }

    public static function code(string $code, string $owner,
        string $name): array
    {
        return self::message('PUT', '/v1/codes/' . rawurlencode($code),
            ['owner' => $owner, 'name' => $name]);
    }

    public static function claim(string $rewardId): array
    {
        return self::message('POST',
            '/v1/rewards/' . rawurlencode($rewardId) . '/claim', []);
    }

    private static function message(string $method, string $path,
        array $data): array
    {
        return ['method' => $method, 'path' => $path, 'body' => json_encode(
            (object) $data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE)];
    }

    /**
     * ['status' => 201, 'data' => [...]] when it was heard, refused (4xx)
     * included; null when it was not, or nobody knows: send it again later.
     */
    public function send(array $message): ?array
    {
        $answer = $this->request(...$message);
        $again = in_array($answer['status'], [0, 401, 403, 408, 429], true)
            || $answer['status'] >= 500;
        return $again ? null : $answer;
    }

    /** The data, or null: not there, or not now. */
    public function get(string $path): ?array
    {
        $answer = $this->request('GET', $path);
        return $answer['status'] === 200 ? $answer['data'] : null;
    }

    private function request(string $method, string $path,
        ?string $body = null): array
    {
        $headers = ["Authorization: Bearer {$this->token}",
            'Connection: close'];

        if ($method !== 'GET' && $this->secret !== '') {
            $time = time();
            $mac = hash_hmac('sha256', "$time.$body", $this->secret);
            $headers[] = "Referral-Signature: t=$time,v1=$mac";
        }

        if ($body !== null) {
            $headers[] = 'Content-Type: application/json';
        }

        $context = stream_context_create(['http' => ['method' => $method,
            'header' => $headers, 'content' => $body ?? '',
            'timeout' => $this->timeout, 'ignore_errors' => true,
            'follow_location' => 0, 'protocol_version' => 1.1]]);

        $text = @file_get_contents($this->url . $path, false, $context);
        $line = $http_response_header[0] ?? '';

        return ['status' => (int) (explode(' ', $line)[1] ?? 0),
            'data' => json_decode((string) $text, true) ?? []];
    }
}
