//! The apiserver's audit log: who asked for what, and what came of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// How often the log is looked at while one waits for its quiet.
const POLL: Duration = Duration::from_millis(50);

/// How many bytes are read at once, from the end back, to find where the last whole line ends.
const PIECE: u64 = 16 * 1024;

/// One stage of one request (`audit.k8s.io/v1` `Event`), as far as tests need it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The same for all stages of one request.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted` (of watches only), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for paths outside the API the
    /// HTTP method in lower case.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    #[serde(default)]
    pub user: User,
    /// For whom the user acted, if for another.
    #[serde(default)]
    pub impersonated_user: Option<User>,
    /// The client's name for itself; empty when it gave none.
    #[serde(default)]
    pub user_agent: String,
    /// What the request is about; `None` for paths outside the API.
    #[serde(default)]
    pub object_ref: Option<ObjectRef>,
    /// How it ended.
    #[serde(default)]
    pub response_status: Option<ResponseStatus>,
    /// The request's body (for a patch the patch), for writes of what the controllers under test keep: Services,
    /// Endpoints, EndpointSlices, `IPAddress` and `ServiceCIDR` objects.
    #[serde(default)]
    pub request_object: Option<Value>,
    /// The answer's body, for the same requests.
    #[serde(default)]
    pub response_object: Option<Value>,
    /// When the request came, in RFC 3339 with microseconds.
    #[serde(default)]
    pub request_received_timestamp: String,
    /// When this stage was reached, in RFC 3339 with microseconds.
    #[serde(default)]
    pub stage_timestamp: String,
}

/// A user, as the apiserver authenticated it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// The object or collection of a request. What does not apply is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// The plural, such as `endpointslices`.
    pub resource: String,
    /// The namespace.
    pub namespace: String,
    /// The name; empty for collections, and for creations until the object is known.
    pub name: String,
    /// Such as `status`.
    pub subresource: String,
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The version in the path, such as `v1`.
    pub api_version: String,
}

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResponseStatus {
    /// The HTTP status.
    pub code: u16,
    /// The machine-readable reason of a failure, such as `AlreadyExists`.
    pub reason: String,
    /// The failure in words.
    pub message: String,
}

impl Entry {
    /// Whether the request has been answered; watches have a stage before that.
    pub fn is_complete(&self) -> bool {
        self.stage == "ResponseComplete"
    }

    /// Whether the request had come before `time`; not if the entry does not say when it came.
    fn began_before(&self, time: Timestamp) -> bool {
        let received: Result<Timestamp, _> = self.request_received_timestamp.parse();
        received.is_ok_and(|received| received < time)
    }

    /// Whether the request asks for a change, granted or not.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }

    /// The plural of the resource; empty for paths outside the API.
    pub fn resource(&self) -> &str {
        self.object_ref.as_ref().map_or("", |object| &object.resource)
    }

    /// The namespace; empty where there is none.
    pub fn namespace(&self) -> &str {
        self.object_ref.as_ref().map_or("", |object| &object.namespace)
    }

    /// The object's name; for a creation by `generateName` the one the apiserver chose, where the answer was recorded.
    pub fn name(&self) -> &str {
        let given = self.object_ref.as_ref().map_or("", |object| object.name.as_str());
        let chosen = || {
            self.response_object
                .as_ref()?
                .get("metadata")?
                .get("name")?
                .as_str()
        };
        if given.is_empty() {
            chosen().unwrap_or_default()
        } else {
            given
        }
    }

    /// The subresource; empty where there is none.
    pub fn subresource(&self) -> &str {
        self.object_ref.as_ref().map_or("", |object| &object.subresource)
    }

    /// The HTTP status of the answer; 0 while there is none.
    pub fn code(&self) -> u16 {
        self.response_status.as_ref().map_or(0, |status| status.code)
    }
}

/// Why the audit log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no log: the control plane was started without one, or the file cannot be read.
    #[error("reading the audit log {} failed (was the control plane built with audit_log(true)?)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why reading failed.
        source: io::Error,
    },
    /// A line is not an audit event.
    #[error("an audit entry was not understood: {line}")]
    Line {
        /// The line.
        line: String,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// The log did not become quiet in time.
    #[error("the audit log was not quiet for {quiet:?} within {limit:?}; last: {last}")]
    NotQuiet {
        /// How long no entry should have come.
        quiet: Duration,
        /// How long was waited.
        limit: Duration,
        /// The last entry in words.
        last: String,
    },
}

/// A place in the log and its time; see [`AuditLog::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    offset: u64,
    time: Timestamp,
}

/// A reader of the audit log.
///
/// The apiserver writes a request's last entry about when it answers, so a client may see the answer a moment before
/// the entry is in the file: wait for the entry, or for quiet, before counting.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    /// A reader of the file.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file, one entry a line.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The end of the log as it is now, to read from later. A write that the apiserver was given before does not count as
    /// coming after it, though its entry may be written later than a watch tells of it.
    ///
    /// # Errors
    /// Without a log.
    pub fn mark(&self) -> Result<Mark, AuditError> {
        let offset = self.end_of_lines().map_err(|source| self.unreadable(source))?;
        Ok(Mark {
            offset,
            time: Timestamp::now(),
        })
    }

    /// Where the last whole line ends: the apiserver writes long lines in pieces, and the file may end within one.
    fn end_of_lines(&self) -> io::Result<u64> {
        let mut file = File::open(&self.path)?;
        let mut end = file.seek(SeekFrom::End(0))?;
        let mut piece = Vec::new();
        while end > 0 {
            let begin = end.saturating_sub(PIECE);
            file.seek(SeekFrom::Start(begin))?;
            piece.clear();
            (&file).take(end - begin).read_to_end(&mut piece)?;
            if let Some(last) = piece.iter().rposition(|byte| *byte == b'\n') {
                return Ok(begin + last as u64 + 1);
            }
            end = begin;
        }
        Ok(0)
    }

    /// Every entry so far, in the order of writing.
    ///
    /// # Errors
    /// Without a log, or for a line that is no entry.
    pub fn entries(&self) -> Result<Vec<Entry>, AuditError> {
        self.entries_since(Mark::default())
    }

    /// The entries written after `mark`, but for those of writes that had begun before.
    ///
    /// # Errors
    /// Without a log, or for a line that is no entry.
    pub fn entries_since(&self, mark: Mark) -> Result<Vec<Entry>, AuditError> {
        Ok(self.read(mark)?.0)
    }

    /// Waits until no entry that `matters` has come for `quiet`, and gives all that matter since `mark`.
    ///
    /// The apiserver renews leases of its own all the time, so the whole log never becomes quiet.
    ///
    /// # Errors
    /// When it is not quiet within `limit`; without a log, or for a line that is no entry.
    pub async fn wait_quiet(
        &self,
        mark: Mark,
        quiet: Duration,
        limit: Duration,
        matters: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Entry>, AuditError> {
        let begun = Instant::now();
        let mut last_came = begun;
        let mut place = mark;
        let mut found: Vec<Entry> = Vec::new();
        loop {
            let (entries, end) = self.read(place)?;
            place = end;
            let before = found.len();
            found.extend(entries.into_iter().filter(&matters));
            if found.len() > before {
                last_came = Instant::now();
            }
            if last_came.elapsed() >= quiet {
                return Ok(found);
            }
            if begun.elapsed() >= limit {
                let last = found
                    .last()
                    .map(|entry| format!("{} {}", entry.verb, entry.request_uri));
                return Err(AuditError::NotQuiet {
                    quiet,
                    limit,
                    last: last.unwrap_or_default(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The whole lines after `mark`, and where they end.
    fn read(&self, mark: Mark) -> Result<(Vec<Entry>, Mark), AuditError> {
        let mut file = File::open(&self.path).map_err(|source| self.unreadable(source))?;
        file.seek(SeekFrom::Start(mark.offset))
            .map_err(|source| self.unreadable(source))?;
        let mut reader = BufReader::new(file);
        let (mut entries, mut end, mut line) = (Vec::new(), mark.offset, Vec::new());
        loop {
            line.clear();
            let length = reader
                .read_until(b'\n', &mut line)
                .map_err(|source| self.unreadable(source))?;
            // What has no line's end is still being written.
            if line.last() != Some(&b'\n') {
                let end = Mark {
                    offset: end,
                    time: mark.time,
                };
                return Ok((entries, end));
            }
            let entry: Entry = serde_json::from_slice(&line).map_err(|source| AuditError::Line {
                line: String::from_utf8_lossy(&line).trim_end().to_owned(),
                source,
            })?;
            if !entry.is_write() || !entry.began_before(mark.time) {
                entries.push(entry);
            }
            end += length as u64;
        }
    }

    fn unreadable(&self, source: io::Error) -> AuditError {
        AuditError::Read {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const GET: &str = r#"{"auditID":"1","stage":"ResponseComplete","requestURI":"/healthz","verb":"get","user":{"username":"u"}}"#;
    const CREATE: &str = r#"{"auditID":"2","stage":"ResponseComplete","requestURI":"/x","verb":"create","user":{"username":"u","groups":["g"]},
        "objectRef":{"resource":"endpointslices","namespace":"n"},"responseStatus":{"metadata":{},"code":201},
        "responseObject":{"metadata":{"name":"web-abc"}}}"#;

    fn log(text: &str) -> (tempfile::NamedTempFile, AuditLog) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let log = AuditLog::new(file.path().to_owned());
        (file, log)
    }

    #[test]
    fn a_line_still_being_written_is_read_when_it_is_whole() {
        let create = CREATE.replace('\n', "");
        let (mut file, log) = log(&format!("{GET}\n{}", &create[..40]));
        let (entries, mark) = log.read(Mark::default()).unwrap();
        assert_eq!(entries.len(), 1);
        assert!(!entries[0].is_write());
        writeln!(file, "{}", &create[40..]).unwrap();
        let entries = log.entries_since(mark).unwrap();
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert!(entry.is_write() && entry.is_complete());
        assert_eq!(
            (entry.resource(), entry.namespace(), entry.name(), entry.code()),
            ("endpointslices", "n", "web-abc", 201)
        );
    }

    #[test]
    fn a_mark_within_a_line_still_being_written_is_at_its_beginning() {
        let create = CREATE.replace('\n', "");
        let of_pieces = create.replace("web-abc", &"a".repeat(3 * 16 * 1024));
        for (text, rest) in [("", &of_pieces), (GET, &of_pieces), (GET, &create)] {
            let before = if text.is_empty() {
                String::new()
            } else {
                format!("{text}\n")
            };
            let cut = rest.len() - 10;
            let (mut file, log) = log(&format!("{before}{}", &rest[..cut]));
            let mark = log.mark().unwrap();
            assert_eq!(mark.offset, before.len() as u64);
            let first = Mark {
                time: Timestamp::UNIX_EPOCH,
                ..mark
            };
            writeln!(file, "{}", &rest[cut..]).unwrap();
            assert_eq!(log.entries_since(first).unwrap().len(), 1);
            assert_eq!(log.mark().unwrap().offset, (before.len() + rest.len() + 1) as u64);
        }
    }

    #[test]
    fn a_write_that_began_before_the_mark_does_not_count_though_its_entry_comes_later() {
        let (mut file, log) = log("");
        let mark = log.mark().unwrap();
        let create = CREATE.replace('\n', "");
        for offset in [-1_i64, 1] {
            let time = Timestamp::from_microsecond(mark.time.as_microsecond() + offset * 1000).unwrap();
            let received = format!("{{\"requestReceivedTimestamp\":\"{time}\",");
            writeln!(file, "{}", create.replacen('{', &received, 1)).unwrap();
            writeln!(file, "{}", GET.replacen('{', &received, 1)).unwrap();
        }
        let entries = log.entries_since(mark).unwrap();
        let verbs: Vec<&str> = entries.iter().map(|entry| entry.verb.as_str()).collect();
        assert_eq!(verbs, ["get", "create", "get"]);
        assert_eq!(log.entries().unwrap().len(), 4);
    }

    #[test]
    fn a_line_that_is_no_entry_is_an_error_that_shows_it() {
        let (_file, log) = log("{\"verb\":1}\n");
        let error = log.entries().unwrap_err();
        assert!(error.to_string().contains("{\"verb\":1}"), "{error}");
    }

    #[test]
    fn without_a_log_the_error_says_how_to_get_one() {
        let log = AuditLog::new(PathBuf::from("/nonexistent/audit.log"));
        assert!(log.entries().unwrap_err().to_string().contains("audit_log(true)"));
    }

    #[tokio::test]
    async fn quiet_is_judged_by_what_matters_alone() {
        let (file, log) = log(&format!("{GET}\n"));
        let path = file.path().to_owned();
        let noise = tokio::spawn(async move {
            loop {
                let mut file = File::options().append(true).open(&path).unwrap();
                writeln!(file, "{GET}").unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        // A pause of the machine is no quiet.
        let (quiet, limit) = (Duration::from_secs(1), Duration::from_secs(30));
        let found = log
            .wait_quiet(Mark::default(), quiet, limit, Entry::is_write)
            .await
            .unwrap();
        assert!(found.is_empty());
        let error = log
            .wait_quiet(Mark::default(), quiet, Duration::from_secs(2), |_| true)
            .await
            .unwrap_err();
        assert!(matches!(error, AuditError::NotQuiet { .. }), "{error:?}");
        noise.abort();
    }
}
