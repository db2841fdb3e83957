//! `gad doctor`: whether database and Redis are set up as the program needs them.

use std::fmt;

use crate::{
    config::{DoctorSettings, MailSettings, Post},
    live::stream::FeedStream,
    store::{self, Database, Query as _, decode::Column as _},
};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// Works, but should be changed.
    Weak,
    /// Does not work.
    Broken,
}

/// A check and how it went.
#[derive(Debug)]
pub struct Finding {
    /// How it went.
    pub verdict: Verdict,
    /// What was checked.
    pub what: &'static str,
    /// What was found, and what to do.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Fine => "ok  ",
            Verdict::Weak => "weak",
            Verdict::Broken => "FAIL",
        };
        write!(f, "{mark}  {}: {}", self.what, self.found)
    }
}

/// Server settings that the design relies on: name, the values that are fine, and why.
const WANTED: [(&str, &[&str], &str); 4] = [
    ("fsync", &["on"], "without it a crash loses committed data"),
    ("full_page_writes", &["on"], "without it a crash can tear pages"),
    (
        "synchronous_commit",
        &["on", "remote_apply", "remote_write", "local"],
        "without it a crash loses the last commits",
    ),
    (
        "max_prepared_transactions",
        &["0"],
        "a forgotten prepared transaction stops the live feed",
    ),
];

/// Looks at everything; never fails itself.
pub async fn run(settings: &DoctorSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(cause) = look_at_database(settings, &mut findings).await {
        findings.push(Finding {
            verdict: Verdict::Broken,
            what: "database",
            found: cause.to_string(),
        });
    }
    findings.push(look_at_redis(settings).await);
    findings.push(look_at_mail(&settings.mail));
    findings
}

fn look_at_mail(settings: &MailSettings) -> Finding {
    let (verdict, found) = match settings.post() {
        Post::Smtp(host) => (Verdict::Fine, format!("goes out by {host}")),
        Post::Folder(folder) => (Verdict::Weak, format!("is only written to {}", folder.display())),
        Post::Nothing => (
            Verdict::Weak,
            "waits: set SMTP_HOST; nobody can be invited or set a password anew until then".to_owned(),
        ),
    };
    Finding {
        verdict,
        what: "mail",
        found,
    }
}

async fn look_at_database(settings: &DoctorSettings, findings: &mut Vec<Finding>) -> crate::error::Result<()> {
    let database = Database::connect(&settings.database).await?;
    let conn = database.lease().await?;
    let version: String = conn
        .one("select current_setting('server_version') as v", &[])
        .await?
        .read("v")?;
    findings.push(Finding {
        verdict: Verdict::Fine,
        what: "database",
        found: format!("PostgreSQL {version}"),
    });
    let pending = store::migrate::pending(&*conn).await?;
    findings.push(match pending {
        0 => Finding {
            verdict: Verdict::Fine,
            what: "migrations",
            found: "up to date".to_owned(),
        },
        n if n > 0 => Finding {
            verdict: Verdict::Broken,
            what: "migrations",
            found: format!("{n} missing; run `gad migrate`"),
        },
        n => Finding {
            verdict: Verdict::Broken,
            what: "migrations",
            found: format!("the database is {} ahead of this program", -n),
        },
    });
    for (name, fine, why) in WANTED {
        let value: String = conn.one("select current_setting($1) as v", &[&name]).await?.read("v")?;
        let good = fine.contains(&value.as_str());
        findings.push(Finding {
            verdict: if good { Verdict::Fine } else { Verdict::Weak },
            what: name,
            found: if good { value } else { format!("{value}: {why}") },
        });
    }
    Ok(())
}

async fn look_at_redis(settings: &DoctorSettings) -> Finding {
    let connected = async {
        match FeedStream::new(&settings.redis)? {
            Some(stream) => stream.connect().await.map(Some).map_err(crate::error::Error::from),
            None => Ok(None),
        }
    };
    let (verdict, found) = match connected.await {
        Ok(Some(_)) => (Verdict::Fine, "answers".to_owned()),
        Ok(None) => (
            Verdict::Weak,
            "not set: the feed is read from the database, and rate limits are counted by each process alone".to_owned(),
        ),
        Err(cause) => (Verdict::Broken, cause.to_string()),
    };
    Finding {
        verdict,
        what: "redis",
        found,
    }
}
