//! A connection to a containerd.

use super::api::containers::containers_client::ContainersClient;
use super::api::containers::{Container, GetContainerRequest, ListContainersRequest};
use super::api::events::events_client::EventsClient;
use super::api::events::{Envelope, SubscribeRequest};
use super::api::images::GetImageRequest;
use super::api::images::images_client::ImagesClient;
use super::api::namespaces::ListNamespacesRequest;
use super::api::namespaces::namespaces_client::NamespacesClient;
use super::api::tasks::tasks_client::TasksClient;
use super::api::tasks::{GetRequest, ListTasksRequest, Process};
use super::api::version::version_client::VersionClient;
use hyper_util::rt::TokioIo;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Response, Status, Streaming};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Names the namespace of a request.
const NAMESPACE: &str = "containerd-namespace";
/// Largest message that is taken, bytes; containerd sends up to 16 MiB.
const MAX_MESSAGE: usize = 16 << 20;
/// Events of these topics are asked for.
const TOPICS: [&str; 2] = [r#"topic~="^/containers/""#, r#"topic~="^/tasks/""#];

/// Why containerd does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ContainerdError {
    /// It cannot be reached.
    #[error("no connection: {0}")]
    Connect(String),
    /// It refuses, or hangs up.
    #[error("{what}: {}", .status.message())]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        status: Box<Status>,
    },
}

impl ContainerdError {
    /// Of a stream that breaks off.
    pub fn interrupted(status: Status) -> Self {
        refused("events")(status)
    }
}

/// See the module.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// Connects to a socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(socket: &Path) -> Result<Self, ContainerdError> {
        let socket = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
        });
        // The name is for HTTP only.
        let endpoint = Endpoint::from_static("http://containerd").connect_timeout(ANSWER);
        let channel = endpoint.connect_with_connector(connector).await;
        Ok(Self {
            channel: channel.map_err(|error| ContainerdError::Connect(whole(&error)))?,
        })
    }

    /// Its version.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn version(&self) -> Result<String, ContainerdError> {
        let asked = VersionClient::new(self.channel.clone()).version(within(())).await;
        let answer = asked.map_err(refused("version"))?;
        Ok(answer.into_inner().version)
    }

    /// Subscribes to its events. It answers with the first one.
    ///
    /// # Errors
    /// It hangs up.
    pub async fn subscribe(&self) -> Result<Streaming<Envelope>, ContainerdError> {
        let mut client = EventsClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let filters = TOPICS.map(str::to_owned).to_vec();
        let asked = client.subscribe(SubscribeRequest { filters }).await;
        asked.map(Response::into_inner).map_err(refused("events"))
    }

    /// The namespaces that it knows.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn namespaces(&self) -> Result<Vec<String>, ContainerdError> {
        let request = within(ListNamespacesRequest::default());
        let asked = NamespacesClient::new(self.channel.clone()).list(request).await;
        let answer = asked.map_err(refused("namespaces"))?.into_inner();
        Ok(answer.namespaces.into_iter().map(|one| one.name).collect())
    }

    /// All containers of a namespace, one after the other: each brings its whole specification.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn containers(&self, namespace: &str) -> Result<Vec<Container>, ContainerdError> {
        let mut client = ContainersClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let request = of_namespace(namespace, ListContainersRequest::default());
        let mut stream = match client.list_stream(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if is_gone(&status) => return Ok(Vec::new()),
            Err(status) => return Err(refused("containers")(status)),
        };
        let mut all = Vec::new();
        while let Some(message) = stream.message().await.map_err(refused("containers"))? {
            all.extend(message.container);
        }
        Ok(all)
    }

    /// A container; `None` if there is none.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn container(&self, namespace: &str, id: &str) -> Result<Option<Container>, ContainerdError> {
        let mut client = ContainersClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let request = of_namespace(namespace, GetContainerRequest { id: id.to_owned() });
        match client.get(request).await {
            Ok(answer) => Ok(answer.into_inner().container),
            Err(status) if is_gone(&status) => Ok(None),
            Err(status) => Err(refused("container")(status)),
        }
    }

    /// The tasks of a namespace: of each container that has one, its process.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn tasks(&self, namespace: &str) -> Result<Vec<Process>, ContainerdError> {
        let mut client = TasksClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let asked = client.list(of_namespace(namespace, ListTasksRequest::default()));
        let answer = asked.await.map_err(refused("tasks"))?;
        Ok(answer.into_inner().tasks)
    }

    /// The task of a container; `None` if it has none. A list leaves out whose shim does not answer, and this is an error
    /// then.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn task(&self, namespace: &str, id: &str) -> Result<Option<Process>, ContainerdError> {
        let container_id = id.to_owned();
        let request = of_namespace(namespace, GetRequest { container_id });
        match TasksClient::new(self.channel.clone()).get(request).await {
            Ok(answer) => Ok(answer.into_inner().process),
            Err(status) if is_gone(&status) => Ok(None),
            Err(status) => Err(refused("task")(status)),
        }
    }

    /// The digest that an image's name stands for now; `None` if there is none.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn image_digest(
        &self,
        namespace: &str,
        image: &str,
    ) -> Result<Option<String>, ContainerdError> {
        let request = of_namespace(
            namespace,
            GetImageRequest {
                name: image.to_owned(),
            },
        );
        match ImagesClient::new(self.channel.clone()).get(request).await {
            Ok(answer) => {
                let target = answer.into_inner().image.and_then(|image| image.target);
                Ok(target
                    .map(|target| target.digest)
                    .filter(|digest| !digest.is_empty()))
            }
            Err(status) if is_gone(&status) => Ok(None),
            Err(status) => Err(refused("image")(status)),
        }
    }
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn is_gone(status: &Status) -> bool {
    status.code() == Code::NotFound
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER);
    request
}

fn of_namespace<T>(namespace: &str, message: T) -> Request<T> {
    let mut request = within(message);
    set_namespace(request.metadata_mut(), namespace);
    request
}

fn set_namespace(metadata: &mut MetadataMap, namespace: &str) {
    // containerd takes letters, digits, dots, dashes and underscores only: what is none it refuses for want of a name.
    if let Ok(value) = AsciiMetadataValue::try_from(namespace) {
        metadata.insert(NAMESPACE, value);
    }
}

fn refused(what: &'static str) -> impl Fn(Status) -> ContainerdError {
    move |status| ContainerdError::Refused {
        what,
        status: Box::new(status),
    }
}
