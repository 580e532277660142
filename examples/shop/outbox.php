<?php
// Sends what could not be sent when it happened.  As here, or once a minute by
// cron.

declare(strict_types=1);

require __DIR__ . '/shop.php';

while (true) {
    deliver(true);
    sleep(1);
}
