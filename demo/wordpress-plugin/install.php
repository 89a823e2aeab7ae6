<?php
/*
 * Installs WordPress from the command line, or with the argument "restore" only puts the first post
 * back. Usage: php install.php WORDPRESS_FOLDER SITE_URL [restore]
 */
if (PHP_SAPI !== 'cli' || $argc < 3) {
    exit(64);
}
list(, $folder, $url) = $argv;
$_SERVER['HTTP_HOST'] = parse_url($url, PHP_URL_HOST);
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$restore = ($argv[3] ?? '') === 'restore';
if (!$restore) {
    define('WP_INSTALLING', true);
}
require $folder . '/wp-load.php';
if (!$restore) {
    require_once ABSPATH . 'wp-admin/includes/upgrade.php';
    wp_install('Notes from the coast', 'demo', 'demo@example.invalid', false, '', wp_generate_password(24));
    update_option('siteurl', $url);
    update_option('home', $url);
    update_option('permalink_structure', '/%postname%/');
    flush_rewrite_rules(false);
}
$done = wp_update_post(array(
    'ID' => 1,
    'post_title' => 'The border guards of the east',
    'post_content' => 'From the seventh century on, men of the eastern provinces were sent to guard the coast '
        . 'of Kyushu. They were called sakimori. Their songs are kept in the Man\'yoshu.',
    'post_status' => 'publish',
), true);
if (is_wp_error($done)) {
    fwrite(STDERR, $done->get_error_message() . "\n");
    exit(1);
}
foreach (glob($folder . '/wp-content/plugins/wp-file-manager/lib/files/*') as $file) {
    unlink($file);
}
echo $restore ? "restored\n" : "installed\n";
