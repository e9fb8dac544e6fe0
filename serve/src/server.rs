//! A server from being bound to being stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::backend::Backend;
use crate::connection::serve;
use crate::guard::Guard;
use crate::options::ServeOptions;
use crate::routes::{Shared, router};
use crate::shutdown::Shutdown;

/// For threads that have nothing more to do but to end.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// A server that has its address and takes connections, which [`run_until`](Self::run_until) answers.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("{address}: {}", explain(source))]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's message.
        source: std::io::Error,
    },
    /// The system gives no threads, timers or signals.
    #[error("the server cannot be started: {0}")]
    Runtime(#[source] std::io::Error),
}

fn explain(source: &std::io::Error) -> String {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match source.kind() {
        AddrInUse => "another program listens there; choose another port, or 0 for any that is free".to_owned(),
        AddrNotAvailable => "this machine has no such address; 127.0.0.1 is for this machine alone, 0.0.0.0 for every network it is in".to_owned(),
        PermissionDenied => "ports below 1024 need rights that this user has not; choose another port".to_owned(),
        _ => source.to_string(),
    }
}

impl Server {
    /// Takes an address; port 0 is any that is free. Asks the backend for its overview.
    ///
    /// With an address other than a loopback one, everyone in that network can run texts: there is no password.
    ///
    /// # Errors
    /// When the address cannot be bound.
    ///
    /// # Panics
    /// Within an async runtime: a server has its own.
    pub fn bind(
        address: SocketAddr,
        backend: Arc<dyn Backend>,
        options: ServeOptions,
    ) -> Result<Self, ServeError> {
        let options = options.bounded();
        // One thread for connections: the others belong to the model.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(Shared::THREADS)
            .thread_name("sae-serve")
            .build()
            .map_err(ServeError::Runtime)?;
        let bound = runtime.block_on(async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = bound.map_err(|source| ServeError::Bind { address, source })?;
        let guard = Guard {
            bound: address.ip(),
            host_names: options.host_names.clone(),
        };
        let shared = Arc::new(Shared::new(backend, guard, options));
        Ok(Self {
            runtime,
            listener,
            address,
            shared,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on this thread until `shutdown` says to stop. Work that its [grace](ServeOptions::grace) does not suffice for is told to
    /// stop and left behind: its thread ends with it, or with the process.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn run_until(self, shutdown: &Shutdown) -> Result<(), ServeError> {
        let Self {
            runtime,
            listener,
            shared,
            ..
        } = self;
        let told = shutdown.subscribe();
        runtime
            .block_on(async {
                shutdown.listen()?;
                let app = router(Arc::clone(&shared));
                let queues = [&shared.model, &shared.reads];
                serve(listener, app, &shared.options, queues, told).await;
                Ok(())
            })
            .map_err(ServeError::Runtime)?;
        runtime.shutdown_timeout(LAST_MOMENT);
        Ok(())
    }
}
