//! The languages that people are spoken to in.

tokio::task_local! {
    /// Language of the person behind the call that this task serves.
    pub static LANGUAGE: Language;
}

/// Language that people are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Spanish, unless English is asked for.
    #[default]
    Es,
    /// English.
    En,
}

impl Language {
    /// The first of ours that an `accept-language` header names.
    pub fn of(header: &str) -> Self {
        header
            .split(',')
            .filter_map(|part| part.trim().get(..2))
            .find_map(|tag| match tag.to_ascii_lowercase().as_str() {
                "es" => Some(Self::Es),
                "en" => Some(Self::En),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// That of the call under way.
    pub fn current() -> Self {
        LANGUAGE.try_with(|language| *language).unwrap_or_default()
    }

    /// As `google.rpc.LocalizedMessage` names it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }
}
