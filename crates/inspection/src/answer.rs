//! What a blocked visitor sees.
use sakimori_model::IncidentId;

/// Why a request was blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It looked like an attack on a server here.
    Attack,
    /// It asked for a place with a bad reputation.
    Site,
}

/// An HTTP answer with the incident id, in English and Japanese: a false alarm hits somebody who
/// needs something to quote.
pub(crate) fn page(incident: IncidentId, why: Why) -> Vec<u8> {
    let (title, text, title_ja, text_ja) = match why {
        Why::Attack => (
            "Request blocked",
            "This request looked like an attack and was not passed on. If it was not one, tell the operator of this \
             site this number:",
            "リクエストは遮断されました",
            "このリクエストは攻撃と判定されたため、サーバーに届けられませんでした。お心当たりがない場合は、上の番号をサイトの管理者にお知らせください。",
        ),
        Why::Site => (
            "Site blocked",
            "This computer may not visit this site: it is on a list of dangerous sites. If it is not dangerous, tell \
             the administrator of this computer this number:",
            "サイトへの接続は遮断されました",
            "このサイトは危険なサイトの一覧にあるため、このコンピュータからは接続できません。問題がない場合は、上の番号をこのコンピュータの管理者にお知らせください。",
        ),
    };
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"></head>\
         <body style=\"font-family:sans-serif;max-width:40em;margin:4em auto;padding:0 1em\">\
         <h1>{title}</h1><p>{text}</p><p><strong>{incident}</strong></p>\
         <div lang=\"ja\"><h2>{title_ja}</h2><p>{text_ja}</p></div></body></html>\n"
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
        for why in [Why::Attack, Why::Site] {
            let page = String::from_utf8(page(IncidentId(7), why)).unwrap();
            let (head, body) = page.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            assert!(body.contains("SKM-0000-0000-0000-0007"));
            assert!(page.len() < 1400, "fits one segment: {}", page.len());
        }
    }
}
