//! Files in a bucket of an S3-compatible store. Requests are signed (SigV4) in their query.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use rusty_s3::{
    Bucket, Credentials, S3Action, UrlStyle,
    actions::{
        AbortMultipartUpload, CompleteMultipartUpload, CompleteMultipartUploadResponse, CreateMultipartUpload, DeleteObject,
        GetObject, PutObject, UploadPart,
    },
};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::{Pieces, down};
use crate::{
    clock::Clock,
    config::FileSettings,
    error::{Error, Result},
};

/// How long a signature lasts.
const LIFETIME: Duration = Duration::from_secs(300);
/// Bytes of a part: what a longer file is sent in, and the most that one upload holds in memory.
const PART: usize = 8 * 1024 * 1024;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence of the store.
const SILENCE: Duration = Duration::from_secs(30);
/// Tries of a request, and the wait before the second, which doubles.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    bucket: Bucket,
    credentials: Credentials,
    client: Client,
    clock: Clock,
}

impl S3 {
    /// A bucket as the settings have it.
    pub fn new(bucket: &str, settings: &FileSettings, clock: Clock) -> Result<Self> {
        let endpoint = Url::parse(&settings.s3_endpoint).map_err(|cause| Error::Down(format!("S3_ENDPOINT: {cause}")))?;
        let style = if settings.s3_virtual_host {
            UrlStyle::VirtualHost
        } else {
            UrlStyle::Path
        };
        let bucket = Bucket::new(endpoint, style, bucket.to_owned(), settings.s3_region.clone());
        let secret = settings.s3_secret_access_key.as_ref().map(|secret| secret.expose_secret());
        let trusted = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("gad/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            bucket: bucket.map_err(|cause| Error::Down(format!("S3_ENDPOINT and S3_BUCKET: {cause}")))?,
            credentials: Credentials::new(settings.s3_access_key_id.clone(), secret.unwrap_or_default()),
            client: client.map_err(Error::internal)?,
            clock,
        })
    }

    /// Begins a file: in memory, until it is longer than a part.
    pub fn begin(&self, uid: Uuid) -> Writer<'_> {
        Writer {
            upload: Upload {
                s3: self,
                key: key(uid),
                id: None,
                etags: Vec::new(),
            },
            waiting: BytesMut::new(),
        }
    }

    /// The bytes of a file.
    pub async fn read(&self, uid: Uuid) -> Result<Pieces> {
        let key = key(uid);
        let action = GetObject::new(&self.bucket, Some(&self.credentials), &key);
        let response = self.send(|| self.request(Method::GET, &action)).await?;
        let response = checked(response)?;
        Ok(Box::pin(response.bytes_stream().map_err(failed)))
    }

    /// Removes a file.
    pub async fn remove(&self, uid: Uuid) -> Result<()> {
        let key = key(uid);
        let action = DeleteObject::new(&self.bucket, Some(&self.credentials), &key);
        let response = self.send(|| self.request(Method::DELETE, &action)).await?;
        if response.status() != StatusCode::NOT_FOUND {
            checked(response)?;
        }
        Ok(())
    }

    fn request<'a>(&self, method: Method, action: &impl S3Action<'a>) -> RequestBuilder {
        let url = action.sign_with_time(LIFETIME, &self.clock.now());
        self.client.request(method, url)
    }

    /// Sends a request, again if the store cannot be reached or has a fault: each is signed anew, and does the same twice.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match request().send().await {
                Ok(response) if !response.status().is_server_error() => return Ok(response),
                Ok(response) => tracing::warn!(status = %response.status(), "the store of files has a fault: tried again"),
                Err(cause) => tracing::warn!(cause = %cause.without_url(), "the store of files was not reached: tried again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        request().send().await.map_err(failed)
    }
}

/// The name of a file in the bucket.
fn key(uid: Uuid) -> String {
    format!("attachments/{uid}")
}

/// Without the URL, which has a signature.
fn failed(cause: reqwest::Error) -> Error {
    down(cause.without_url())
}

fn checked(response: Response) -> Result<Response> {
    match response.status() {
        status if status.is_success() => Ok(response),
        status => Err(down(format!("the store answers {status}"))),
    }
}

/// A file that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    upload: Upload<'a>,
    waiting: BytesMut,
}

impl Writer<'_> {
    /// Adds bytes at the end.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        while self.waiting.len() + bytes.len() > PART {
            let rest = bytes.split_to(PART - self.waiting.len());
            self.waiting.extend_from_slice(&rest);
            let part = self.waiting.split().freeze();
            self.upload.part(part).await?;
        }
        self.waiting.extend_from_slice(&bytes);
        Ok(())
    }

    /// Makes it last.
    pub async fn finish(self) -> Result<()> {
        let Self { mut upload, waiting } = self;
        if upload.id.is_none() {
            return upload.whole(waiting.freeze()).await;
        }
        upload.part(waiting.freeze()).await?;
        upload.complete().await
    }
}

/// Parts that were sent. What is dropped before it is complete is given up, so that nothing is kept of it.
#[derive(Debug)]
struct Upload<'a> {
    s3: &'a S3,
    key: String,
    id: Option<String>,
    etags: Vec<String>,
}

impl Upload<'_> {
    async fn whole(&self, bytes: Bytes) -> Result<()> {
        let action = PutObject::new(&self.s3.bucket, Some(&self.s3.credentials), &self.key);
        let put = || self.s3.request(Method::PUT, &action).body(bytes.clone());
        checked(self.s3.send(put).await?).map(drop)
    }

    async fn part(&mut self, bytes: Bytes) -> Result<()> {
        if self.id.is_none() {
            self.id = Some(self.create().await?);
        }
        let id = self.id.as_deref().unwrap_or_default();
        let number = u16::try_from(self.etags.len() + 1).map_err(|_| Error::FileTooLarge)?;
        let action = UploadPart::new(&self.s3.bucket, Some(&self.s3.credentials), &self.key, number, id);
        let put = || self.s3.request(Method::PUT, &action).body(bytes.clone());
        let response = checked(self.s3.send(put).await?)?;
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
        self.etags
            .push(etag.ok_or_else(|| down("a part without an ETag"))?.to_owned());
        Ok(())
    }

    async fn create(&self) -> Result<String> {
        let action = CreateMultipartUpload::new(&self.s3.bucket, Some(&self.s3.credentials), &self.key);
        let response = checked(self.s3.send(|| self.s3.request(Method::POST, &action)).await?)?;
        let text = response.text().await.map_err(failed)?;
        let created = CreateMultipartUpload::parse_response(&text).map_err(down)?;
        Ok(created.upload_id().to_owned())
    }

    async fn complete(&mut self) -> Result<()> {
        let id = self.id.clone().unwrap_or_default();
        let etags = self.etags.iter().map(String::as_str);
        let (bucket, credentials) = (&self.s3.bucket, Some(&self.s3.credentials));
        let action = CompleteMultipartUpload::new(bucket, credentials, &self.key, &id, etags);
        let body = action.clone().body();
        let post = || self.s3.request(Method::POST, &action).body(body.clone());
        let response = checked(self.s3.send(post).await?)?;
        // A refusal may come as a 200.
        let text = response.text().await.map_err(failed)?;
        CompleteMultipartUploadResponse::parse(&text).map_err(down)?;
        self.id = None;
        Ok(())
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (s3, key) = (self.s3.clone(), std::mem::take(&mut self.key));
        runtime.spawn(async move {
            let action = AbortMultipartUpload::new(&s3.bucket, Some(&s3.credentials), &key, &id);
            if let Err(cause) = s3.send(|| s3.request(Method::DELETE, &action)).await {
                tracing::warn!(%cause, "an upload could not be given up: its parts stay in the bucket");
            }
        });
    }
}
