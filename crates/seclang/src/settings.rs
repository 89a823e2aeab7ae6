//! How the engine is set up, by directives.

use crate::diagnose::{Finding, shown};
use crate::parse::actions::{limit, on_off, on_off_or};

/// What is done with a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Rules are not run.
    Off,
    /// Rules are run; what they would block is told.
    DetectionOnly,
    /// Rules are run and block.
    On,
}

/// What is done with a body beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The transaction is refused.
    Reject,
    /// The first part is inspected.
    Partial,
}

/// Settings of a rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `SecRuleEngine`
    pub engine: Engine,
    /// `SecRequestBodyAccess`
    pub request_body: bool,
    /// `SecRequestBodyLimit`, in bytes.
    pub request_body_limit: usize,
    /// `SecRequestBodyNoFilesLimit`, in bytes.
    pub request_body_no_files_limit: usize,
    /// `SecRequestBodyLimitAction`
    pub request_body_beyond: Beyond,
    /// `SecRequestBodyJsonDepthLimit`
    pub json_depth: usize,
    /// `SecArgumentsLimit`
    pub arguments: usize,
    /// `SecResponseBodyAccess`
    pub response_body: bool,
    /// `SecResponseBodyLimit`, in bytes.
    pub response_body_limit: usize,
    /// `SecResponseBodyLimitAction`
    pub response_body_beyond: Beyond,
    /// `SecResponseBodyMimeType`
    pub response_mime_types: Vec<String>,
    /// `SecArgumentSeparator`
    pub argument_separator: u8,
    /// `SecCollectionTimeout`, in seconds.
    pub collection_timeout: u64,
    /// `SecWebAppId`
    pub web_app: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: Engine::DetectionOnly,
            request_body: true,
            request_body_limit: 13_107_200,
            request_body_no_files_limit: 131_072,
            request_body_beyond: Beyond::Reject,
            json_depth: 512,
            arguments: 1000,
            response_body: false,
            response_body_limit: 524_288,
            response_body_beyond: Beyond::Partial,
            response_mime_types: ["text/plain", "text/html", "text/xml"].map(str::to_owned).to_vec(),
            argument_separator: b'&',
            collection_timeout: 3600,
            web_app: String::new(),
        }
    }
}

/// Directives about logs, folders and limits that have no meaning here; configurations that have them load.
const WITHOUT_EFFECT: &[&str] = &[
    "secauditengine",
    "secauditlog",
    "secauditlog2",
    "secauditlogdirmode",
    "secauditlogfilemode",
    "secauditlogformat",
    "secauditlogparts",
    "secauditlogprefix",
    "secauditlogrelevantstatus",
    "secauditlogstoragedir",
    "secauditlogtype",
    "seccachetransformations",
    "secchrootdir",
    "seccomponentsignature",
    "secconnengine",
    "seccookieformat",
    "seccookiev0separator",
    "secdatadir",
    "secdebuglog",
    "secdebugloglevel",
    "secdisablebackendcompression",
    "secguardianlog",
    "secinterceptonerror",
    "secpcrematchlimit",
    "secpcrematchlimitrecursion",
    "secremoterulesfailaction",
    "secrequestbodyinmemorylimit",
    "secruleinheritance",
    "secruleperftime",
    "secsensorid",
    "secserversignature",
    "secstatusengine",
    "secstreaminbodyinspection",
    "secstreamoutbodyinspection",
    "sectmpdir",
    "sectmpsaveuploadedfiles",
    "secunicodecodepage",
    "secunicodemap",
    "secunicodemapfile",
    "secuploaddir",
    "secuploadfilelimit",
    "secuploadfilemode",
    "secuploadkeepfiles",
    "secxmlexternalentity",
    "secxmlparsexmlintoargs",
];

impl Settings {
    /// Takes a directive; `false` where it is none of settings.
    pub(crate) fn take(&mut self, name: &str, words: &[String]) -> Result<bool, Finding> {
        let lower = name.to_ascii_lowercase();
        if WITHOUT_EFFECT.contains(&lower.as_str()) {
            return Ok(true);
        }
        let first = || {
            words.first().map(String::as_str).ok_or_else(|| {
                Finding::error("W070", format!("{name} has no value"), format!("write {name} and its value"))
            })
        };
        match lower.as_str() {
            "secruleengine" => {
                self.engine = match on_off_or(first()?, "detectiononly")? {
                    Some(true) => Engine::On,
                    Some(false) => Engine::Off,
                    None => Engine::DetectionOnly,
                }
            }
            "secrequestbodyaccess" => self.request_body = on_off(first()?)?,
            "secrequestbodylimit" => self.request_body_limit = limit(first()?)?,
            "secrequestbodynofileslimit" => self.request_body_no_files_limit = limit(first()?)?,
            "secrequestbodylimitaction" => self.request_body_beyond = beyond(first()?)?,
            "secrequestbodyjsondepthlimit" => self.json_depth = limit(first()?)?,
            "secargumentslimit" => self.arguments = limit(first()?)?,
            "secresponsebodyaccess" => self.response_body = on_off(first()?)?,
            "secresponsebodylimit" => self.response_body_limit = limit(first()?)?,
            "secresponsebodylimitaction" => self.response_body_beyond = beyond(first()?)?,
            "secresponsebodymimetype" => {
                first()?;
                self.response_mime_types.extend(
                    words.iter().flat_map(|word| word.split_whitespace()).map(str::to_ascii_lowercase),
                );
            }
            "secresponsebodymimetypesclear" => self.response_mime_types.clear(),
            "secargumentseparator" => {
                self.argument_separator = match first()?.as_bytes() {
                    [byte] => *byte,
                    _ => {
                        return Err(Finding::error(
                            "W071",
                            "a separator of more than one character",
                            "write one, such as &",
                        ));
                    }
                }
            }
            "seccollectiontimeout" => {
                self.collection_timeout = u64::try_from(limit(first()?)?).unwrap_or(u64::MAX);
            }
            "secwebappid" => first()?.clone_into(&mut self.web_app),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn beyond(value: &str) -> Result<Beyond, Finding> {
    match value.to_ascii_lowercase().as_str() {
        "reject" => Ok(Beyond::Reject),
        "processpartial" => Ok(Beyond::Partial),
        other => Err(Finding::error(
            "W072",
            format!("{} is not allowed", shown(other)),
            "write Reject or ProcessPartial",
        )),
    }
}
