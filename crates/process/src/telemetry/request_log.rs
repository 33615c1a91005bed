//! Logs of single requests: what is said while a request is handled may go to a log of its own in place of
//! the process's, as nginx's `error_log` of a server or location.
//!
//! A task that handles a request runs in [`scope`]; once it knows where the request belongs, it says so by
//! [`write_to`]. Where nothing does, nothing of this costs anything.

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::sync::{Arc, OnceLock};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, reload};

/// Where the lines about one request go.
pub trait RequestLog: Send + Sync {
    /// `text` is one line without its end, and holds no control characters.
    fn write(&self, level: Level, text: &str);
}

type CurrentLog = RefCell<Option<Arc<dyn RequestLog>>>;

tokio::task_local! {
    static CURRENT: CurrentLog;
}

/// Sets the most detailed level that any request log takes.
static SET_LEVEL: OnceLock<Box<dyn Fn(LevelFilter) + Send + Sync>> = OnceLock::new();

/// Handles a request whose lines may have a log of their own.
pub fn scope<F: Future>(handling: F) -> impl Future<Output = F::Output> {
    scope_with(None, handling)
}

/// Goes on with a request in another task: its lines go where they went.
pub fn carried<F: Future>(handling: F) -> impl Future<Output = F::Output> {
    scope_with(current(), handling)
}

fn scope_with<F: Future>(log: Option<Arc<dyn RequestLog>>, handling: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(RefCell::new(log), handling)
}

/// From here on lines about the request go to `log`. `None`: to the process's.
pub fn write_to(log: Option<Arc<dyn RequestLog>>) {
    let _ = CURRENT.try_with(|current| {
        if let Ok(mut current) = current.try_borrow_mut() {
            *current = log;
        }
    });
}

/// The most detailed level that any request log takes; `None`: there are no such logs.
pub fn set_most_detailed(level: Option<Level>) {
    if let Some(set) = SET_LEVEL.get() {
        set(level.map_or(LevelFilter::OFF, LevelFilter::from_level));
    }
}

fn current() -> Option<Arc<dyn RequestLog>> {
    CURRENT.try_with(|current| current.try_borrow().ok()?.clone()).ok()?
}

/// Lets no line into the process's log that has a log of its own.
pub(super) struct ElsewhereFilter;

impl<S> Filter<S> for ElsewhereFilter {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        current().is_none()
    }

    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

/// Hands lines to the logs of their requests.
struct RequestLogLayer;

impl<S: Subscriber> Layer<S> for RequestLogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(log) = current() else { return };
        let mut text = LineText::default();
        event.record(&mut text);
        log.write(*event.metadata().level(), &text.finish());
    }
}

/// The layer that hands lines to the logs of their requests. Nothing comes to it before
/// [`set_most_detailed`].
pub(super) fn layer<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
    let _ = SET_LEVEL.set(Box::new(move |level| {
        let _ = handle.modify(|filter| *filter = level);
    }));
    RequestLogLayer.with_filter(filter).boxed()
}

/// The message of an event, then its fields.
#[derive(Default)]
struct LineText {
    message: String,
    fields: String,
}

impl LineText {
    fn add(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        if name == "message" {
            push(&mut self.message, value);
            return;
        }
        self.fields.push_str(", ");
        self.fields.push_str(name);
        self.fields.push_str(": ");
        push(&mut self.fields, value);
    }

    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

/// No value ends the line, or writes over what stands before it on a terminal.
fn push(text: &mut String, value: std::fmt::Arguments<'_>) {
    for character in value.to_string().chars() {
        match character {
            control if control.is_control() => {
                let _ = write!(text, "\\x{:02X}", u32::from(control));
            }
            other => text.push(other),
        }
    }
}

impl Visit for LineText {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::filter::FilterExt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl RequestLog for Lines {
        fn write(&self, level: Level, text: &str) {
            self.0.lock().unwrap().push(format!("{level} {text}"));
        }
    }

    #[derive(Default, Clone)]
    struct ProcessLog(Arc<Mutex<u32>>);

    impl<S: Subscriber> Layer<S> for ProcessLog {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[tokio::test]
    async fn lines_go_to_the_log_of_their_request() {
        let (own, process) = (Arc::new(Lines::default()), ProcessLog::default());
        // As `init` puts them together.
        let (filter, _handle) = reload::Layer::new(EnvFilter::new("info"));
        let (level, _level_handle) = reload::Layer::new(LevelFilter::INFO);
        let layers = tracing_subscriber::registry()
            .with(None::<ProcessLog>)
            .with(process.clone().with_filter(filter.and(ElsewhereFilter)).boxed())
            .with(RequestLogLayer.with_filter(level).boxed());
        let _here = tracing::subscriber::set_default(layers);
        tracing::info!("outside");
        scope(async {
            tracing::info!("not known yet");
            write_to(Some(own.clone()));
            tracing::warn!(target = "/a\nb", count = 3, error = %"two\u{9b}words", "it {}", "failed");
            for _ in 0..3 {
                tracing::debug!("too detailed");
            }
            let carried = carried(async { tracing::error!("in another task") });
            tokio::task::yield_now().await;
            tracing::info!(target = ?Some(1), "later");
            carried.await;
            write_to(None);
            tracing::info!("to the process again");
        })
        .await;
        tracing::info!("outside again");
        let expected = [
            "WARN it failed, target: /a\\x0Ab, count: 3, error: two\\x9Bwords",
            "INFO later, target: Some(1)",
            "ERROR in another task",
        ];
        assert_eq!(*own.0.lock().unwrap(), expected);
        assert_eq!(*process.0.lock().unwrap(), 4);
    }
}
