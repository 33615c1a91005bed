<?php
// Some of what oracle.py does, for PHP-FPM: /oracle.php/PATH with the same paths and parameters.

$path = trim($_SERVER['PATH_INFO'] ?? '', '/');
$number = fn(string $name, int $otherwise = 0): int => (int) ($_GET[$name] ?? $otherwise);

http_response_code($number('status', 200));
header_remove('X-Powered-By');
header('Content-Type: text/plain');
foreach ((array) ($_GET['h'] ?? []) as $field) {
    header($field);
}
usleep($number('delay') * 1000);

switch (explode('/', $path)[0]) {
    case 'echo-environ':
        $shown = array_map(
            fn($value) => is_string($value) ? as_latin1($value) : $value,
            $_SERVER
        );
        $body = json_encode($shown);
        break;
    case 'upload':
        $digest = hash_init('sha256');
        $length = 0;
        $input = fopen('php://input', 'rb');
        while (!feof($input) && ($piece = fread($input, 65536)) !== false) {
            hash_update($digest, $piece);
            $length += strlen($piece);
        }
        $told = $_SERVER['CONTENT_LENGTH'] ?? '';
        $body = json_encode([
            'length' => $length, 'sha256' => hash_final($digest), 'content_length' => $told === '' ? null : $told,
        ]);
        break;
    case 'early':
        $body = "early\n";
        break;
    case 'lie':
        header('Content-Length: ' . $number('say'));
        exit(str_repeat('.', $number('send')));
    case 'crash':
        header('Content-Length: ' . 2 * $number('size', 1000));
        exit(str_repeat('.', $number('size', 1000)));
    default:
        $body = str_pad('1', $number('size', 1), '.') . (isset($_GET['size']) ? '' : "\n");
}

if (!$number('nolength') && !in_array(http_response_code(), [204, 304])) {
    header('Content-Length: ' . strlen($body));
}
if ($_SERVER['REQUEST_METHOD'] === 'HEAD' || in_array(http_response_code(), [204, 304])) {
    exit();
}
$pieces = max(1, $number('chunks', 1));
foreach (str_split($body, max(1, intdiv(strlen($body) + $pieces - 1, $pieces))) as $index => $piece) {
    $index && usleep($number('gap') * 1000);
    echo $piece;
    flush();
}

// Bytes as latin-1, as oracle.py shows them.
function as_latin1(string $bytes): string
{
    return preg_replace_callback(
        '/[\x80-\xff]/',
        fn($match) => chr(0xc0 | ord($match[0]) >> 6) . chr(0x80 | ord($match[0]) & 0x3f),
        $bytes
    );
}
