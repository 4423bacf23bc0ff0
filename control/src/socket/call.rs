//! Requests on their way from a client's task to the daemon's loop, which answers one at a time with plain `&mut` access to its state.

use headgate_api::{ErrorKind, Request, Response};
use tokio::sync::{mpsc, oneshot};

/// A request that waits for its answer. Dropped without one, the client hears that the daemon failed.
#[derive(Debug)]
pub struct Call {
    request: Request,
    answer: oneshot::Sender<Response>,
}

impl Call {
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The client may be gone by now; then the answer goes nowhere.
    pub fn answer(self, response: Response) {
        let _ = self.answer.send(response);
    }
}

/// The client's end; each waits for its turn.
#[derive(Debug, Clone)]
pub struct Caller(mpsc::Sender<Call>);

impl Caller {
    /// The answer, which is an error when the daemon is about to end.
    pub async fn ask(&self, request: Request) -> Response {
        let (answer, answered) = oneshot::channel();
        let stopping = || Response::error(ErrorKind::Failed, "the daemon is stopping");
        if self.0.send(Call { request, answer }).await.is_err() {
            return stopping();
        }
        answered.await.unwrap_or_else(|_| stopping())
    }
}

/// Both ends. One call waits at a time, the other clients with theirs.
pub fn calls() -> (Caller, mpsc::Receiver<Call>) {
    let (sender, receiver) = mpsc::channel(1);
    (Caller(sender), receiver)
}
