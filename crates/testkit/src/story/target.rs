//! What is attacked: the blog of our own, or a real `WordPress`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::attack::{self, Outcome};
use crate::blog::Blog;
use crate::wordpress::WordPress;
use crate::{Host, Lab, Programs, http};

/// What a visitor waits for a page.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the attacker's text begins with.
const DEFACED: &str = "HACKED by the demo attacker";
/// The title of the first post of either target.
pub(crate) const TITLE: &str = "The border guards of the east";
/// Where the backdoor's marker answers.
pub(crate) const BACKDOOR: &str = "/wp-content/plugins/wp-file-manager/lib/files/demo-backdoor.php";

/// The page that visitors read.
pub(crate) const FRONT: &str = "/";
/// The attacks of the story, in their order.
pub(crate) const ATTACKS: [Attack; 2] = [Attack::Deface, Attack::Backdoor];

/// Which website plays the victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The small vulnerable blog of `demo/blog`.
    Blog,
    /// Debian's `WordPress` with the vulnerable plugin of `demo/wordpress-plugin`.
    WordPress,
}

impl Target {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Blog => "a small vulnerable blog",
            Self::WordPress => "Debian's WordPress with a vulnerable plugin",
        }
    }
}

/// One attack of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    Deface,
    Backdoor,
}

impl Attack {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Deface => "the defacement (CVE-2017-1001000)",
            Self::Backdoor => "the upload of a backdoor (CVE-2020-25213)",
        }
    }
}

/// The running website.
#[derive(Debug)]
pub enum Website<'lab> {
    /// See [`Target::Blog`].
    Blog(Blog<'lab>),
    /// See [`Target::WordPress`].
    WordPress(Box<WordPress<'lab>>),
}

/// The front page as a visitor got it.
#[derive(Debug)]
pub(crate) struct Page {
    answer: http::Answer,
    words: String,
}

impl Page {
    pub(crate) fn is_intact(&self) -> bool {
        self.answer.status == 200 && self.answer.body.contains(TITLE) && !self.answer.body.contains(DEFACED)
    }

    pub(crate) fn is_defaced(&self) -> bool {
        self.answer.body.contains(DEFACED)
    }

    pub(crate) fn words(&self) -> &str {
        &self.words
    }
}

impl<'lab> Website<'lab> {
    pub(crate) fn start(target: Target, lab: &'lab Lab, programs: &Programs) -> anyhow::Result<Self> {
        Ok(match target {
            Target::Blog => Self::Blog(Blog::start(lab, programs)?),
            Target::WordPress => Self::WordPress(Box::new(WordPress::start(lab)?)),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Blog(blog) => blog.address(),
            Self::WordPress(wordpress) => wordpress.address(),
        }
    }

    pub(crate) fn attack(&self, attacker: &Host, attack: Attack) -> anyhow::Result<Outcome> {
        match attack {
            Attack::Deface => attack::deface(attacker, self.address(), "query"),
            Attack::Backdoor => attack::backdoor(attacker, self.address()),
        }
    }

    pub(crate) fn page(&self, visitor: &Host) -> anyhow::Result<Page> {
        let answer = http::get(visitor, self.address(), FRONT, PATIENCE)?;
        let title = [DEFACED, TITLE].into_iter().find(|title| answer.body.contains(title));
        let words = match title {
            Some(title) => format!("HTTP {}, first post: \"{title}\"", answer.status),
            None => format!("HTTP {}, {} bytes without the first post", answer.status, answer.body.len()),
        };
        Ok(Page { answer, words })
    }

    pub(crate) fn has_backdoor(&self, visitor: &Host) -> anyhow::Result<bool> {
        Ok(http::get(visitor, self.address(), BACKDOOR, PATIENCE)?.status == 200)
    }

    pub(crate) fn restore(&self) -> anyhow::Result<()> {
        match self {
            Self::Blog(blog) => blog.restore(),
            Self::WordPress(wordpress) => wordpress.restore(),
        }
    }
}
