<?php
/*
 * Plugin Name: Sakimori demo flaw
 * Version: 0.1
 * Description: Brings the hole of CVE-2017-1001000 back on the REST route of posts. For the demo alone.
 *
 * WordPress 4.7.0 and 4.7.1 took the id of the path, of the query or of the body, the last one
 * winning. The permission check looked the post up by the id as it was sent: "1demo" is no post,
 * so nothing was checked. The update then cast the id to a number, and "1demo" became 1.
 * Later versions validate the id; this plugin takes that validation away again and puts the old
 * check and the old update in its place.
 */

add_filter('rest_endpoints', function ($endpoints) {
    $route = '/wp/v2/posts/(?P<id>[\d]+)';
    if (!isset($endpoints[$route])) {
        return $endpoints;
    }
    unset($endpoints[$route]['args']['id']);
    foreach ($endpoints[$route] as $key => $handler) {
        if (!is_int($key) || empty($handler['methods']) || strpos(demo_flaw_methods($handler), 'POST') === false) {
            continue;
        }
        unset($endpoints[$route][$key]['args']['id']);
        $endpoints[$route][$key]['permission_callback'] = 'demo_flaw_may_update';
        $endpoints[$route][$key]['callback'] = 'demo_flaw_update';
    }
    return $endpoints;
});

function demo_flaw_methods($handler)
{
    $methods = $handler['methods'];
    return is_array($methods) ? implode(',', array_keys($methods)) : (string) $methods;
}

function demo_flaw_may_update($request)
{
    $post = is_numeric($request['id']) ? get_post($request['id']) : null;
    if ($post && !current_user_can('edit_post', $post->ID)) {
        return new WP_Error('rest_cannot_edit', 'Sorry, you are not allowed to edit this post.', array('status' => 401));
    }
    return true;
}

function demo_flaw_update($request)
{
    $change = array('ID' => (int) $request['id']);
    if (isset($request['title'])) {
        $change['post_title'] = sanitize_text_field($request['title']);
    }
    if (isset($request['content'])) {
        $change['post_content'] = sanitize_text_field($request['content']);
    }
    $done = wp_update_post($change, true);
    if (is_wp_error($done)) {
        return new WP_Error('rest_post_invalid_id', 'Invalid post ID.', array('status' => 404));
    }
    return rest_ensure_response(array('id' => $done, 'title' => get_the_title($done)));
}
