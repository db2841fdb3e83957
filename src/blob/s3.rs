//! Files in a bucket of an S3-compatible store. Requests are signed (SigV4) in their query.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
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
        Self::over(client(), bucket, settings, clock)
    }

    fn over(client: ClientBuilder, bucket: &str, settings: &FileSettings, clock: Clock) -> Result<Self> {
        let endpoint = Url::parse(&settings.s3_endpoint).map_err(|cause| Error::Down(format!("S3_ENDPOINT: {cause}")))?;
        let style = if settings.s3_virtual_host {
            UrlStyle::VirtualHost
        } else {
            UrlStyle::Path
        };
        let bucket = Bucket::new(endpoint, style, bucket.to_owned(), settings.s3_region.clone());
        let secret = settings.s3_secret_access_key.as_ref().map(|secret| secret.expose_secret());
        let client = client.build();
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

fn client() -> ClientBuilder {
    let trusted = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("gad/", env!("CARGO_PKG_VERSION")))
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

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        server::conn::auto,
    };
    use s3s::{auth::SimpleAuth, host::SingleDomain, service::S3ServiceBuilder};
    use tokio::net::TcpListener;

    use super::*;

    /// The bucket as a part of the host's name, before a store that checks signatures. Its other style is tested through the
    /// front door.
    #[tokio::test]
    async fn a_bucket_can_be_a_part_of_the_host_s_name() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("gad")).expect("a bucket");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let domain = format!("files.test:{}", address.port());
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).expect("a store"));
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        service.set_host(SingleDomain::new(&domain).expect("a domain"));
        let service = service.build();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        let settings = FileSettings {
            files_dir: "nowhere".into(),
            max_file_size: 1,
            file_types: Vec::new(),
            s3_bucket: Some("gad".to_owned()),
            s3_endpoint: format!("http://{domain}"),
            s3_region: "us-east-1".to_owned(),
            s3_access_key_id: "key".to_owned(),
            s3_secret_access_key: Some("secret".into()),
            s3_virtual_host: true,
        };
        let client = client().resolve("gad.files.test", address);
        let s3 = S3::over(client, "gad", &settings, Clock::system()).expect("a bucket");
        let uid = Uuid::now_v7();
        let mut writer = s3.begin(uid);
        writer.write(Bytes::from_static(b"one")).await.expect("written");
        writer.finish().await.expect("finished");
        let pieces: Vec<Bytes> = s3.read(uid).await.expect("there").try_collect().await.expect("whole");
        assert_eq!(pieces.concat(), b"one");
        s3.remove(uid).await.expect("removed");
        assert!(s3.read(uid).await.is_err());
    }
}
