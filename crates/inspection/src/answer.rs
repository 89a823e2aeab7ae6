//! What a blocked visitor sees.
use sakimori_model::IncidentId;

/// An HTTP answer with the incident id, in English and Japanese: a false alarm hits somebody who
/// needs something to quote.
pub(crate) fn page(incident: IncidentId) -> Vec<u8> {
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Request blocked</title>\
         <meta name=\"viewport\" content=\"width=device-width\"></head>\
         <body style=\"font-family:sans-serif;max-width:40em;margin:4em auto;padding:0 1em\">\
         <h1>Request blocked</h1><p>This request looked like an attack and was not passed on. \
         If it was not one, tell the operator of this site this number:</p><p><strong>{incident}</strong></p>\
         <div lang=\"ja\"><h2>リクエストは遮断されました</h2><p>このリクエストは攻撃と判定されたため、サーバーに届けられませんでした。\
         お心当たりがない場合は、上の番号をサイトの管理者にお知らせください。</p></div></body></html>\n"
    );
    format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_a_whole_answer_with_the_incident() {
        let page = String::from_utf8(page(IncidentId(7))).unwrap();
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(body.contains("SKM-0000-0000-0000-0007"));
        assert!(page.len() < 1400, "fits one segment: {}", page.len());
    }
}
