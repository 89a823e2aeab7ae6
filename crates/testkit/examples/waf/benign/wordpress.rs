//! Days of editing in `WordPress`: block editor, media, comments, settings, and what its pages ask for by themselves.

use serde_json::json;

use super::words::SEARCHES;
use super::{Dice, Request, escaped, picture};

const COOKIE: &str = "wordpress_test_cookie=WP%20Cookie%20check; \
    wordpress_logged_in_5c016e8f0f95f039102cbe8366c5c7f3=hanako%7C1790172800%7CaBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdef%7C0f1e2d3c4b5a; \
    wp-settings-1=libraryContent%3Dbrowse%26editor%3Dtinymce%26hidetb%3D1%26mfold%3Do; wp-settings-time-1=1790000000";

const NONCE: &str = "4f1c2d9a7b";

pub(super) fn request(dice: &mut Dice) -> (&'static str, Request) {
    let (kind, request) = match dice.roll(20) {
        0..=3 => ("wordpress: block editor", save(dice)),
        4 => ("wordpress: autosave", autosave(dice)),
        5..=6 => ("wordpress: REST", rest(dice)),
        7 => ("wordpress: heartbeat", heartbeat(dice)),
        8 => ("wordpress: admin-ajax", ajax(dice)),
        9 => ("wordpress: media", media(dice)),
        10 => ("wordpress: media by REST", media_by_rest(dice)),
        11..=12 => ("wordpress: comment", comment(dice)),
        13 => ("wordpress: classic editor", classic(dice)),
        14 => ("wordpress: settings", settings(dice)),
        15 => ("wordpress: log-in", log_in(dice)),
        16 => ("wordpress: profile", profile(dice)),
        17 => ("wordpress: terms", terms(dice)),
        _ => ("wordpress: page", page(dice)),
    };
    let request = request.header("Cookie", COOKIE).header("Origin", "https://www.example.org");
    (kind, request.header("Referer", "https://www.example.org/wp-admin/post.php?post=12&action=edit"))
}

/// What the block editor makes of a post.
fn blocks(dice: &mut Dice) -> String {
    let mut out = String::new();
    for _ in 0..=dice.roll(6) {
        let sentences = dice.roll(4) + 1;
        let text = dice.prose(sentences).replace('&', "&amp;");
        let block = match dice.roll(9) {
            0 => format!("<!-- wp:heading {{\"level\":2}} -->\n<h2 class=\"wp-block-heading\">{text}</h2>\n<!-- /wp:heading -->\n\n"),
            1 => format!("<!-- wp:list -->\n<ul class=\"wp-block-list\"><!-- wp:list-item -->\n<li>{text}</li>\n<!-- /wp:list-item --></ul>\n<!-- /wp:list -->\n\n"),
            2 => format!(
                "<!-- wp:image {{\"id\":{0},\"sizeSlug\":\"large\",\"linkDestination\":\"none\"}} -->\n<figure class=\"wp-block-image size-large\"><img src=\"https://www.example.org/wp-content/uploads/2026/11/kyoto-1024x683.jpg\" alt=\"\" class=\"wp-image-{0}\"/><figcaption class=\"wp-element-caption\">{text}</figcaption></figure>\n<!-- /wp:image -->\n\n",
                dice.roll(900)
            ),
            3 => format!("<!-- wp:quote -->\n<blockquote class=\"wp-block-quote\"><p>{text}</p><cite>{}</cite></blockquote>\n<!-- /wp:quote -->\n\n", dice.name()),
            4 => "<!-- wp:columns {\"style\":{\"spacing\":{\"padding\":{\"top\":\"var:preset|spacing|40\"}}}} -->\n<div class=\"wp-block-columns\" style=\"padding-top:var(--wp--preset--spacing--40)\"><!-- wp:column -->\n<div class=\"wp-block-column\"></div>\n<!-- /wp:column --></div>\n<!-- /wp:columns -->\n\n".to_owned(),
            5 => format!("<!-- wp:paragraph {{\"align\":\"center\",\"textColor\":\"accent-3\"}} -->\n<p class=\"has-text-align-center has-accent-3-color has-text-color\"><strong>{text}</strong> <a href=\"https://example.com/tea?id=5&amp;lang=ja\" target=\"_blank\" rel=\"noreferrer noopener\">tea</a></p>\n<!-- /wp:paragraph -->\n\n"),
            6 => "<!-- wp:code -->\n<pre class=\"wp-block-code\"><code>cargo build --release\nsudo apt install nginx</code></pre>\n<!-- /wp:code -->\n\n".to_owned(),
            7 => "<!-- wp:embed {\"url\":\"https://www.youtube.com/watch?v=dQw4w9WgXcQ\",\"type\":\"video\",\"providerNameSlug\":\"youtube\",\"responsive\":true,\"className\":\"wp-embed-aspect-16-9 wp-has-aspect-ratio\"} -->\n<figure class=\"wp-block-embed is-type-video\"><div class=\"wp-block-embed__wrapper\">\nhttps://www.youtube.com/watch?v=dQw4w9WgXcQ\n</div></figure>\n<!-- /wp:embed -->\n\n".to_owned(),
            _ => format!("<!-- wp:paragraph -->\n<p>{text}</p>\n<!-- /wp:paragraph -->\n\n"),
        };
        out.push_str(&block);
    }
    out
}

fn save(dice: &mut Dice) -> Request {
    let (id, title, content) = (dice.roll(900) + 1, dice.prose(1), blocks(dice));
    let value = json!({
        "id": id, "status": dice.pick(&["publish", "draft"]), "title": title, "content": content, "excerpt": dice.prose(1),
        "slug": "autumn-in-kyoto", "categories": [3, 7], "tags": [12], "featured_media": 55, "meta": { "footnotes": "" },
    });
    let place = dice.pick(&["posts", "pages", "template-parts", "blocks"]);
    let request = Request::json(format!("/wp-json/wp/v2/{place}/{id}?_locale=user"), &value)
        .header("X-WP-Nonce", NONCE);
    // what is there already is changed by a header, not by a method
    if place == "blocks" { request } else { request.header("X-HTTP-Method-Override", "PUT") }
}

fn autosave(dice: &mut Dice) -> Request {
    let id = dice.roll(900) + 1;
    let value =
        json!({ "id": id, "title": dice.prose(1), "content": blocks(dice), "excerpt": "", "parent": id });
    Request::json(format!("/wp-json/wp/v2/posts/{id}/autosaves?_locale=user"), &value)
        .header("X-WP-Nonce", NONCE)
}

fn rest(dice: &mut Dice) -> Request {
    let id = dice.roll(900) + 1;
    let search = dice.pick(SEARCHES);
    let target = match dice.roll(8) {
        0 => format!("/wp-json/wp/v2/posts/{id}?context=edit&_locale=user"),
        1 => format!("/wp-json/wp/v2/search?search={}&per_page=20&type=post&_fields=id,title,url,type,subtype", escaped(search)),
        2 => "/wp-json/wp/v2/types?context=view&_locale=user".to_owned(),
        3 => "/wp-json/wp/v2/users?context=view&per_page=50&_fields=id,name&who=authors&search=O%27Brien&_locale=user".to_owned(),
        4 => "/wp-json/wp/v2/media?context=edit&per_page=40&orderby=date&order=desc&media_type=image&_locale=user".to_owned(),
        5 => "/wp-json/wp/v2/pages?per_page=-1&exclude%5B0%5D=12&parent_exclude%5B0%5D=12&orderby=menu_order&order=asc&_fields=id,title,parent&context=view&_locale=user".to_owned(),
        6 => "/wp-json/wp-block-editor/v1/url-details?url=https%3A%2F%2Fexample.com%2Ftea%3Fid%3D5&_locale=user".to_owned(),
        _ => {
            let value = json!({ "requests": [{ "method": "PUT", "path": "/wp/v2/widgets/block-2", "body": { "instance": { "raw": { "content": blocks(dice) } } } }], "validation": "require-all-validate" });
            return Request::json("/wp-json/batch/v1?_locale=user", &value).header("X-WP-Nonce", NONCE);
        }
    };
    let request = Request::get(target).header("X-WP-Nonce", NONCE);
    if dice.roll(6) == 0 { request.method("OPTIONS") } else { request }
}

fn heartbeat(dice: &mut Dice) -> Request {
    let id = (dice.roll(900) + 1).to_string();
    Request::form(
        "/wp-admin/admin-ajax.php",
        &[
            ("data[wp-refresh-post-lock][post_id]", &id),
            ("data[wp-refresh-post-lock][lock]", "1790000000:1"),
            ("data[wp-check-locked-posts][]", &format!("post-{id}")),
            ("interval", "60"),
            ("_nonce", NONCE),
            ("action", "heartbeat"),
            ("screen_id", "edit-post"),
            ("has_focus", "true"),
        ],
    )
    .header("X-Requested-With", "XMLHttpRequest")
}

fn ajax(dice: &mut Dice) -> Request {
    let (id, text) = ((dice.roll(900) + 1).to_string(), dice.prose(1));
    let fields: Vec<(&str, &str)> = match dice.roll(4) {
        0 => vec![
            ("action", "query-attachments"),
            ("post_id", &id),
            ("query[orderby]", "date"),
            ("query[order]", "DESC"),
            ("query[posts_per_page]", "80"),
            ("query[paged]", "1"),
            ("query[post_mime_type][]", "image"),
            ("query[s]", &text),
        ],
        1 => vec![
            ("action", "save-attachment"),
            ("id", &id),
            ("nonce", NONCE),
            ("post_id", "12"),
            ("changes[alt]", &text),
            ("changes[caption]", &text),
            ("changes[title]", "IMG 2026-11-30 (1)"),
        ],
        2 => vec![
            ("action", "inline-save"),
            ("post_type", "post"),
            ("post_ID", &id),
            ("post_title", &text),
            ("post_name", "autumn-in-kyoto"),
            ("post_category[]", "3"),
            ("tags_input", "tea, kyoto, d'été"),
            ("_inline_edit", NONCE),
            ("_status", "publish"),
        ],
        _ => vec![
            ("action", "replyto-comment"),
            ("comment_post_ID", &id),
            ("comment_ID", "34"),
            ("content", &text),
            ("mode", "dashboard"),
            ("_ajax_nonce-replyto-comment", NONCE),
        ],
    };
    Request::form("/wp-admin/admin-ajax.php", &fields).header("X-Requested-With", "XMLHttpRequest")
}

fn media(dice: &mut Dice) -> Request {
    let bytes = picture(dice);
    Request::upload(
        "/wp-admin/async-upload.php",
        &[
            ("name", "IMG_20261130 (1).jpg"),
            ("action", "upload-attachment"),
            ("_wpnonce", NONCE),
            ("post_id", "12"),
        ],
        ("IMG_20261130 (1).jpg", "image/jpeg", &bytes),
    )
}

fn media_by_rest(dice: &mut Dice) -> Request {
    let bytes = picture(dice);
    Request::upload(
        "/wp-json/wp/v2/media?_locale=user",
        &[("post", "12")],
        ("京都 紅葉.jpg", "image/jpeg", &bytes),
    )
    .header("X-WP-Nonce", NONCE)
}

fn comment(dice: &mut Dice) -> Request {
    let (name, sentences) = (dice.name(), dice.roll(5) + 1);
    Request::form(
        "/wp-comments-post.php",
        &[
            ("comment", &dice.prose(sentences)),
            ("author", name),
            ("email", "o'brien@example.org"),
            ("url", "https://blog.example.com/~hanako/?p=12"),
            ("wp-comment-cookies-consent", "yes"),
            ("submit", "Post Comment"),
            ("comment_post_ID", "12"),
            ("comment_parent", "0"),
        ],
    )
}

fn classic(dice: &mut Dice) -> Request {
    let (title, text) = (dice.prose(1), dice.prose(6));
    let content = format!(
        "<h2 style=\"text-align: center;\">{title}</h2>\r\n{text}\r\n\r\n<a href=\"https://example.com/?a=1&amp;b=2\"><img class=\"alignnone size-medium wp-image-5\" src=\"https://www.example.org/wp-content/uploads/a.jpg\" alt=\"\" width=\"300\" height=\"200\" /></a>\r\n[gallery ids=\"5,6,7\"]"
    );
    Request::form(
        "/wp-admin/post.php",
        &[
            ("_wpnonce", NONCE),
            ("_wp_http_referer", "/wp-admin/post.php?post=12&action=edit"),
            ("user_ID", "1"),
            ("action", "editpost"),
            ("originalaction", "editpost"),
            ("post_author", "1"),
            ("post_type", "page"),
            ("original_post_status", "publish"),
            ("referredby", "https://www.example.org/wp-admin/edit.php?post_type=page"),
            ("post_ID", "12"),
            ("post_title", &title),
            ("content", &content),
            ("wp-preview", ""),
            ("hidden_post_status", "publish"),
            ("post_status", "publish"),
            ("visibility", "public"),
            ("mm", "11"),
            ("jj", "30"),
            ("aa", "2026"),
            ("hh", "10"),
            ("mn", "15"),
            ("ss", "00"),
            ("post_category[]", "0"),
            ("excerpt", &text),
            ("metakeyinput", ""),
            ("metavalue", ""),
            ("advanced_view", "1"),
            ("comment_status", "open"),
            ("post_name", "autumn"),
            ("save", "Update"),
        ],
    )
}

fn settings(dice: &mut Dice) -> Request {
    if dice.roll(2) == 0 {
        return Request::form(
            "/wp-admin/options.php",
            &[
                ("option_page", "general"),
                ("action", "update"),
                ("_wpnonce", NONCE),
                ("_wp_http_referer", "/wp-admin/options-general.php"),
                ("blogname", "Hanako's tea & more"),
                ("blogdescription", &dice.prose(1)),
                ("siteurl", "https://www.example.org"),
                ("home", "https://www.example.org"),
                ("new_admin_email", "admin@example.org"),
                ("default_role", "subscriber"),
                ("timezone_string", "Asia/Tokyo"),
                ("date_format", "F j, Y"),
                ("date_format_custom", "F j, Y"),
                ("time_format", "g:i a"),
                ("start_of_week", "1"),
                ("submit", "Save Changes"),
            ],
        );
    }
    let values = json!({ "blogname": { "value": "Hanako's tea" }, "custom_css[twentytwentyfive]": { "value": ".entry > p { color: #333; margin: 0 auto !important; }\n@media (max-width: 600px) { body { font-size: 14px } }" } });
    Request::form(
        "/wp-admin/admin-ajax.php",
        &[
            ("wp_customize", "on"),
            ("customize_theme", "twentytwentyfive"),
            ("nonce", NONCE),
            ("action", "customize_save"),
            ("customize_changeset_status", "publish"),
            ("customize_changeset_uuid", "6f1b0c1e-93a5-4b53-8f38-3f2d1cbb8e11"),
            ("customize_changeset_data", &values.to_string()),
            ("customize_preview_nonce", NONCE),
        ],
    )
}

fn log_in(dice: &mut Dice) -> Request {
    let password = dice.pick(&[
        "S3cret' or what? <no>",
        "correct horse; battery & staple",
        "p@$$(w0rd)--x",
        "たぬき#2026!",
        "a'--b/*c*/",
    ]);
    Request::form(
        "/wp-login.php",
        &[
            ("log", "hanako"),
            ("pwd", password),
            ("rememberme", "forever"),
            ("wp-submit", "Log In"),
            ("redirect_to", "https://www.example.org/wp-admin/"),
            ("testcookie", "1"),
        ],
    )
}

fn profile(dice: &mut Dice) -> Request {
    let (name, text) = (dice.name(), dice.prose(3));
    Request::form(
        "/wp-admin/profile.php",
        &[
            ("_wpnonce", NONCE),
            ("_wp_http_referer", "/wp-admin/profile.php"),
            ("from", "profile"),
            ("checkuser_id", "1"),
            ("admin_color", "fresh"),
            ("first_name", name),
            ("last_name", "d'Arc"),
            ("nickname", "hanako"),
            ("display_name", name),
            ("email", "hanako@example.org"),
            ("url", "https://www.example.org/~hanako"),
            ("description", &text),
            ("pass1", "a'--b/*c*/ or <1>"),
            ("pass2", "a'--b/*c*/ or <1>"),
            ("action", "update"),
            ("user_id", "1"),
            ("submit", "Update Profile"),
        ],
    )
}

fn terms(dice: &mut Dice) -> Request {
    let text = dice.prose(1);
    Request::form(
        "/wp-admin/admin-ajax.php",
        &[
            ("action", "add-tag"),
            ("screen", "edit-category"),
            ("taxonomy", "category"),
            ("post_type", "post"),
            ("_wpnonce_add-tag", NONCE),
            ("_wp_http_referer", "/wp-admin/edit-tags.php?taxonomy=category"),
            ("tag-name", &text),
            ("slug", "tea"),
            ("parent", "-1"),
            ("description", &text),
        ],
    )
}

fn page(dice: &mut Dice) -> Request {
    let search = escaped(dice.pick(SEARCHES));
    Request::get(match dice.roll(8) {
        0 => format!("/?s={search}"),
        1 => "/wp-admin/load-scripts.php?c=0&load%5Bchunk_0%5D=jquery-core,jquery-migrate,utils,wp-hooks,wp-i18n&ver=6.8.3".to_owned(),
        2 => "/wp-admin/load-styles.php?c=0&dir=ltr&load%5Bchunk_0%5D=dashicons,admin-bar,common,forms,admin-menu,dashboard&ver=6.8.3".to_owned(),
        3 => format!("/wp-admin/edit.php?s={search}&post_status=all&post_type=post&action=-1&m=0&cat=0&paged=1&action2=-1"),
        4 => "/wp-admin/post.php?post=12&action=edit".to_owned(),
        5 => "/wp-content/plugins/akismet/_inc/akismet.js?ver=5.5".to_owned(),
        6 => "/wp-admin/customize.php?return=%2Fwp-admin%2Fthemes.php&url=https%3A%2F%2Fwww.example.org%2F".to_owned(),
        _ => "/2026/11/autumn-in-kyoto/?replytocom=34#respond".to_owned().replace("#respond", ""),
    })
}
