//! Settings of the files of attachments.

use std::{path::PathBuf, vec::Vec};

use clap::{ArgAction, Args, builder::BoolishValueParser, value_parser};
use secrecy::{ExposeSecret, SecretString};

use super::values::list;

/// Files.
#[derive(Debug, Clone, Args)]
pub struct FileSettings {
    /// Folder of the files of attachments, where no S3_BUCKET is set; all servers need the same one.
    #[arg(long, env = "GAD_FILES_DIR", default_value = ".gad/files")]
    pub files_dir: PathBuf,
    /// Longest file that is taken, in bytes.
    #[arg(long, env = "GAD_MAX_FILE_SIZE", default_value_t = 50 * 1024 * 1024, value_parser = value_parser!(u64).range(1024..=5 * 1024 * 1024 * 1024))]
    pub max_file_size: u64,
    /// Content types of files that are taken, as their bytes tell them; a JSON list or comma-separated.
    #[arg(long, env = "GAD_FILE_TYPES", value_parser = list, default_value = "image/jpeg,image/png,image/webp,image/gif,image/heif,application/pdf,video/mp4,video/quicktime,audio/mpeg,audio/m4a,audio/ogg")]
    pub file_types: Vec<String>,
    /// Bucket of an S3-compatible store, for the files of attachments; none: they go to GAD_FILES_DIR.
    #[arg(long, env = "S3_BUCKET")]
    pub s3_bucket: Option<String>,
    /// URL of the S3-compatible store, without the bucket.
    #[arg(long, env = "S3_ENDPOINT", default_value = "https://s3.amazonaws.com")]
    pub s3_endpoint: String,
    /// Region that requests are signed for.
    #[arg(long, env = "S3_REGION", default_value = "us-east-1")]
    pub s3_region: String,
    /// Name that requests are signed by.
    #[arg(long, env = "S3_ACCESS_KEY_ID", default_value = "")]
    pub s3_access_key_id: String,
    /// Secret that requests are signed with.
    #[arg(long, env = "S3_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub s3_secret_access_key: Option<SecretString>,
    /// The bucket is part of the host's name (`bucket.s3.amazonaws.com`), not of the path.
    #[arg(long, env = "S3_VIRTUAL_HOST", default_value_t = false, action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub s3_virtual_host: bool,
}

impl FileSettings {
    /// All reasons why these settings do not go together.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.file_types.is_empty() {
            problems.push("GAD_FILE_TYPES must name a content type".to_owned());
        }
        if self.s3_bucket.is_none() {
            return problems;
        }
        let secret = self.s3_secret_access_key.as_ref().map(ExposeSecret::expose_secret);
        if self.s3_access_key_id.is_empty() || secret.is_none_or(str::is_empty) {
            problems.push("S3_BUCKET needs S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY".to_owned());
        }
        if !["https://", "http://"]
            .iter()
            .any(|scheme| self.s3_endpoint.starts_with(scheme))
        {
            problems.push("S3_ENDPOINT must be an http or https URL".to_owned());
        }
        problems
    }
}
