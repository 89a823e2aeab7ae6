//! Ready groups of rules: what servers of a kind have to let through, to be added to a policy.
use super::FirewallRule;
use crate::words::Text;
use std::collections::BTreeMap;

/// A group. Its rules are added to a policy as they are, and are the policy's own from then on.
#[derive(Clone, Copy, Debug)]
pub struct RuleGroup {
    /// Registered name, kebab-case.
    pub id: &'static str,
    /// What it is called.
    pub title: Text,
    /// What it is for, and what to mind.
    pub about: Text,
    /// Whether it is to be said which addresses the other side has: without them the rules hold for everybody.
    pub asks_remote: bool,
    /// Rules by their names, as they are written in a policy.
    rules: &'static [(&'static str, &'static str)],
}

impl RuleGroup {
    /// The rules by their names; where the group asks for it, for these addresses of the other side.
    pub fn rules(&self, remote: &[String]) -> BTreeMap<String, FirewallRule> {
        let rule = |(name, document): &(&str, &str)| {
            // Every group is read by a test.
            let rule: FirewallRule = serde_json::from_str(document).ok()?;
            let remote = if self.asks_remote { remote.to_vec() } else { Vec::new() };
            Some(((*name).to_owned(), FirewallRule { remote, ..rule }))
        };
        self.rules.iter().filter_map(rule).collect()
    }
}

/// All groups.
pub const GROUPS: &[RuleGroup] = &[
    RuleGroup {
        id: "web-server",
        title: Text { en: "Web server", ja: "Web サーバー" },
        about: Text {
            en: "HTTP and HTTPS from everybody, HTTP/3 included.",
            ja: "すべての送信元からの HTTP と HTTPS（HTTP/3 を含む）。",
        },
        asks_remote: false,
        rules: &[
            (
                "Web server: HTTP and HTTPS",
                r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["80","443"]}"#,
            ),
            ("Web server: HTTP/3", r#"{"action":"allow","direction":"in","protocol":"udp","ports":["443"]}"#),
        ],
    },
    RuleGroup {
        id: "ssh-from-here",
        title: Text { en: "SSH from here only", ja: "特定の場所からのみ SSH" },
        about: Text {
            en: "SSH from the addresses that you name: keep a session open while you try it, or have changes confirmed.",
            ja: "指定したアドレスからの SSH のみ。試す間はセッションを開いたままにするか、変更の確認を有効にしてください。",
        },
        asks_remote: true,
        rules: &[("SSH from here", r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["22"]}"#)],
    },
    RuleGroup {
        id: "remote-desktop-from-here",
        title: Text {
            en: "Remote desktop from here only", ja: "特定の場所からのみリモートデスクトップ"
        },
        about: Text {
            en: "RDP from the addresses that you name.", ja: "指定したアドレスからの RDP のみ。"
        },
        asks_remote: true,
        rules: &[
            (
                "Remote desktop from here",
                r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["3389"]}"#,
            ),
            (
                "Remote desktop from here, UDP",
                r#"{"action":"allow","direction":"in","protocol":"udp","ports":["3389"]}"#,
            ),
        ],
    },
    RuleGroup {
        id: "database-server",
        title: Text { en: "Database server", ja: "データベースサーバー" },
        about: Text {
            en: "MySQL and MariaDB, PostgreSQL, SQL Server, Oracle, MongoDB, Redis from the application servers that you name.",
            ja: "指定したアプリケーションサーバーからの MySQL・MariaDB、PostgreSQL、SQL Server、Oracle、MongoDB、Redis。",
        },
        asks_remote: true,
        rules: &[(
            "Database server",
            r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["1433","1521","3306","5432","6379","27017"]}"#,
        )],
    },
    RuleGroup {
        id: "dns-server",
        title: Text { en: "DNS server", ja: "DNS サーバー" },
        about: Text {
            en: "DNS over UDP and TCP from everybody.",
            ja: "すべての送信元からの DNS（UDP と TCP）。",
        },
        asks_remote: false,
        rules: &[
            ("DNS server: UDP", r#"{"action":"allow","direction":"in","protocol":"udp","ports":["53"]}"#),
            ("DNS server: TCP", r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["53"]}"#),
        ],
    },
    RuleGroup {
        id: "mail-server",
        title: Text { en: "Mail server", ja: "メールサーバー" },
        about: Text {
            en: "SMTP in and out, submission, IMAP and POP3, with and without TLS.",
            ja: "SMTP の送受信、サブミッション、IMAP、POP3（TLS の有無を問わない）。",
        },
        asks_remote: false,
        rules: &[
            (
                "Mail server: SMTP and submission",
                r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["25","465","587"]}"#,
            ),
            (
                "Mail server: IMAP and POP3",
                r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["110","143","993","995"]}"#,
            ),
            (
                "Mail server: to other servers",
                r#"{"action":"force-allow","direction":"out","protocol":"tcp","ports":["25"]}"#,
            ),
        ],
    },
    RuleGroup {
        id: "file-server",
        title: Text { en: "File server", ja: "ファイルサーバー" },
        about: Text {
            en: "SMB and NFS from the networks that you name.",
            ja: "指定したネットワークからの SMB と NFS。",
        },
        asks_remote: true,
        rules: &[
            (
                "File server: SMB",
                r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["139","445"]}"#,
            ),
            ("File server: NFS", r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["2049"]}"#),
        ],
    },
    RuleGroup {
        id: "domain-member",
        title: Text { en: "Domain member", ja: "ドメインメンバー" },
        about: Text {
            en: "What a member of an Active Directory domain asks of the domain controllers that you name, also where ways out \
                 are closed.",
            ja: "Active Directory のメンバーが、指定したドメインコントローラーに対して行う通信。送信を制限していても許可します。",
        },
        asks_remote: true,
        rules: &[
            (
                "Domain member: TCP",
                r#"{"action":"force-allow","direction":"out","protocol":"tcp","ports":["88","135","389","445","464","636","3268-3269","49152-65535"]}"#,
            ),
            (
                "Domain member: UDP",
                r#"{"action":"force-allow","direction":"out","protocol":"udp","ports":["88","123","389","464"]}"#,
            ),
        ],
    },
    RuleGroup {
        id: "monitored",
        title: Text { en: "Monitored server", ja: "監視対象サーバー" },
        about: Text {
            en: "SNMP, Prometheus node exporter and Zabbix agent for the monitoring servers that you name.",
            ja: "指定した監視サーバーからの SNMP、Prometheus node exporter、Zabbix エージェント。",
        },
        asks_remote: true,
        rules: &[
            ("Monitored: SNMP", r#"{"action":"allow","direction":"in","protocol":"udp","ports":["161"]}"#),
            (
                "Monitored: agents",
                r#"{"action":"allow","direction":"in","protocol":"tcp","ports":["9100","10050"]}"#,
            ),
        ],
    },
    RuleGroup {
        id: "updates",
        title: Text { en: "Updates and time", ja: "更新と時刻同期" },
        about: Text {
            en: "Where ways out are closed: package mirrors over HTTP and HTTPS, and NTP. DNS is always open.",
            ja: "送信を制限している場合に必要な、HTTP・HTTPS によるパッケージの取得と NTP。DNS は常に許可されます。",
        },
        asks_remote: false,
        rules: &[
            (
                "Updates: HTTP and HTTPS",
                r#"{"action":"force-allow","direction":"out","protocol":"tcp","ports":["80","443"]}"#,
            ),
            (
                "Updates: time",
                r#"{"action":"force-allow","direction":"out","protocol":"udp","ports":["123"]}"#,
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::Firewall;
    use crate::settings::Settings as _;
    use std::collections::BTreeSet;

    #[test]
    fn every_group_is_a_set_of_valid_rules() {
        let mut ids = BTreeSet::new();
        let mut all = BTreeMap::new();
        for group in GROUPS {
            assert!(ids.insert(group.id), "{} is there twice", group.id);
            let rules = group.rules(&["192.0.2.0/24".to_owned()]);
            assert_eq!(rules.len(), group.rules.len(), "{}", group.id);
            for (name, rule) in rules {
                assert_eq!(rule.remote.is_empty(), !group.asks_remote, "{name}");
                assert!(all.insert(name.clone(), rule).is_none(), "two groups have a rule '{name}'");
            }
            assert!(!group.about.en.is_empty() && !group.about.ja.is_empty());
        }
        let settings = Firewall { rules: all, ..Firewall::default() };
        assert_eq!(settings.check(), []);
    }
}
