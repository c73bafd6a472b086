#include "coordinator/store.h"

#include <sqlite3.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sojourn::coordinator {
namespace {

constexpr int kSchemaVersion = 1;
constexpr char kSchema[] = R"sql(
CREATE TABLE jobs(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request TEXT UNIQUE, config BLOB NOT NULL,
  counts BLOB NOT NULL, run_directory TEXT NOT NULL, state INTEGER NOT NULL, error TEXT NOT NULL,
  curriculum BLOB NOT NULL, generation INTEGER NOT NULL, seconds REAL NOT NULL);
CREATE TABLE events(job TEXT, number INTEGER, event BLOB NOT NULL, PRIMARY KEY(job, number)) WITHOUT ROWID;
CREATE TABLE training_groups(job TEXT, arm INTEGER, number INTEGER, assignment BLOB NOT NULL,
  PRIMARY KEY(job, arm, number)) WITHOUT ROWID;
CREATE TABLE results(job TEXT, arm INTEGER, matrix_row INTEGER, number INTEGER, member INTEGER,
  result BLOB NOT NULL, PRIMARY KEY(job, arm, matrix_row, number, member)) WITHOUT ROWID;
CREATE TABLE updates(job TEXT, arm INTEGER, number INTEGER, record BLOB NOT NULL,
  PRIMARY KEY(job, arm, number)) WITHOUT ROWID;
CREATE TABLE checkpoints(job TEXT, arm INTEGER, version INTEGER, label TEXT, checkpoint BLOB NOT NULL,
  PRIMARY KEY(job, arm, version, label)) WITHOUT ROWID;
)sql";

}  // namespace

// A prepared statement. Errors of binding come out of Step.
class Store::Statement {
 public:
  Statement(const Store& store, const char* sql) : store_(store), sql_(sql) {
    code_ = sqlite3_prepare_v2(store.database_, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Text(const std::string& value) {
    return Bind(sqlite3_bind_text64(statement_, ++bound_, value.data(), value.size(),
                                    SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  Statement& Null() { return Bind(sqlite3_bind_null(statement_, ++bound_)); }
  Statement& Int(uint64_t value) {
    return Bind(sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(value)));
  }
  Statement& Real(double value) { return Bind(sqlite3_bind_double(statement_, ++bound_, value)); }
  Statement& Message(const google::protobuf::MessageLite& message) {
    const std::string bytes = message.SerializeAsString();
    return Bind(
        sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  }

  // True: there is a row to read.
  absl::StatusOr<bool> Step() {
    if (code_ == SQLITE_OK) code_ = sqlite3_step(statement_);
    if (code_ == SQLITE_ROW) {
      code_ = SQLITE_OK;
      return true;
    }
    if (code_ == SQLITE_DONE) return false;
    return store_.Error(sql_);
  }
  absl::Status Run() { return Step().status(); }

  uint64_t GetInt(int column) const {
    return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
  }
  double GetReal(int column) const { return sqlite3_column_double(statement_, column); }
  std::string GetText(int column) const {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return bytes == nullptr ? "" : std::string(static_cast<const char*>(bytes), size);
  }
  absl::Status GetMessage(int column, google::protobuf::MessageLite& message) const {
    if (message.ParseFromString(GetText(column))) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the coordinator's database holds a damaged ",
                                            message.GetTypeName(), " (", sql_, ")"));
  }

 private:
  Statement& Bind(int code) {
    if (code_ == SQLITE_OK) code_ = code;
    return *this;
  }

  const Store& store_;
  const char* const sql_;
  sqlite3_stmt* statement_ = nullptr;
  int code_ = SQLITE_OK;
  int bound_ = 0;
};

absl::Status Store::Error(const std::string& doing) const {
  return absl::UnavailableError(
      absl::StrCat("the coordinator's database: ", sqlite3_errmsg(database_), " (", doing, ")"));
}

absl::Status Store::Execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return Error(sql);
}

absl::Status Store::Transact(const std::function<absl::Status()>& body) {
  if (absl::Status begun = Execute("BEGIN IMMEDIATE"); !begun.ok()) return begun;
  absl::Status done = body();
  if (done.ok()) done = Execute("COMMIT");
  if (!done.ok() && sqlite3_get_autocommit(database_) == 0) Execute("ROLLBACK").IgnoreError();
  return done;
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  sqlite3* database = nullptr;
  const int code = sqlite3_open(path.c_str(), &database);
  if (database == nullptr) return absl::ResourceExhaustedError("no memory for the database");
  std::unique_ptr<Store> store(new Store(database));
  if (code != SQLITE_OK) {
    return absl::UnavailableError(
        absl::StrCat(path, ": ", sqlite3_errmsg(database), "; is its folder writable?"));
  }
  sqlite3_busy_timeout(database, 5000);
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"}) {
    if (absl::Status set = store->Execute(pragma); !set.ok()) return set;
  }
  uint64_t version = 0;
  {
    Statement statement(*store, "PRAGMA user_version");
    if (auto row = statement.Step(); !row.ok()) return row.status();
    version = statement.GetInt(0);
  }
  if (version == kSchemaVersion) return store;
  if (version != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": written with schema version ", version, ", this program reads version ",
        kSchemaVersion, "; use the program that wrote it, or another --data-dir"));
  }
  absl::Status made = store->Transact([&] {
    if (absl::Status schema = store->Execute(kSchema); !schema.ok()) return schema;
    return store->Execute(absl::StrCat("PRAGMA user_version=", kSchemaVersion).c_str());
  });
  if (!made.ok()) return made;
  return store;
}

Store::~Store() { sqlite3_close(database_); }

absl::StatusOr<std::optional<std::string>> Store::FindRequest(const std::string& request_id) {
  Statement statement(*this, "SELECT id FROM jobs WHERE request = ?");
  auto row = statement.Text(request_id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<std::string>();
  return std::optional<std::string>(statement.GetText(0));
}

absl::Status Store::AddJob(const StoredJob& job, const std::string& request_id) {
  Statement statement(*this,
                      "INSERT INTO jobs(id, request, config, counts, run_directory, state, error, "
                      "curriculum, generation, seconds) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  statement.Text(job.plan.job_id);
  request_id.empty() ? statement.Null() : statement.Text(request_id);
  return statement.Message(job.plan.config)
      .Message(job.plan.counts)
      .Text(job.run_directory)
      .Int(job.state)
      .Text(job.error)
      .Message(job.curriculum)
      .Int(job.generation)
      .Real(job.seconds)
      .Run();
}

absl::StatusOr<std::vector<StoredJob>> Store::LoadJobs() {
  Statement statement(
      *this,
      "SELECT id, config, counts, run_directory, state, error, curriculum, generation, "
      "seconds FROM jobs ORDER BY number");
  std::vector<StoredJob> jobs;
  for (;;) {
    auto row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) return jobs;
    StoredJob& job = jobs.emplace_back();
    job.plan.job_id = statement.GetText(0);
    for (absl::Status read :
         {statement.GetMessage(1, job.plan.config), statement.GetMessage(2, job.plan.counts),
          statement.GetMessage(6, job.curriculum)}) {
      if (!read.ok()) return read;
    }
    job.run_directory = statement.GetText(3);
    job.state = static_cast<v1::JobState>(statement.GetInt(4));
    job.error = statement.GetText(5);
    job.generation = statement.GetInt(7);
    job.seconds = statement.GetReal(8);
  }
}

absl::Status Store::SetState(const std::string& job, v1::JobState state, const std::string& error,
                             double seconds) {
  Statement statement(*this, "UPDATE jobs SET state = ?, error = ?, seconds = ? WHERE id = ?");
  return statement.Int(state).Text(error).Real(seconds).Text(job).Run();
}

absl::Status Store::SetGeneration(const std::string& job, uint64_t generation) {
  Statement statement(*this, "UPDATE jobs SET generation = ? WHERE id = ?");
  return statement.Int(generation).Text(job).Run();
}

absl::Status Store::Append(const std::string& job, uint32_t arm, const EventRecord& record) {
  return Transact([&]() -> absl::Status {
    Statement event(*this,
                    "INSERT INTO events(job, number, event) VALUES(?1, "
                    "(SELECT COUNT(*) FROM events WHERE job = ?1), ?2)");
    if (absl::Status done = event.Text(job).Message(record.event).Run(); !done.ok()) return done;
    for (const v1::Assignment& assignment : record.planned) {
      Statement group(*this, "INSERT INTO training_groups VALUES(?, ?, ?, ?)");
      absl::Status done = group.Text(job)
                              .Int(assignment.name().arm())
                              .Int(assignment.name().group())
                              .Message(assignment)
                              .Run();
      if (!done.ok()) return done;
    }
    if (record.update.has_value()) {
      Statement update(*this, "INSERT INTO updates VALUES(?, ?, ?, ?)");
      absl::Status done =
          update.Text(job).Int(arm).Int(record.update->update()).Message(*record.update).Run();
      if (!done.ok()) return done;
    }
    if (record.checkpoint.has_value()) {
      const v1::CheckpointSaved& saved = *record.checkpoint;
      Statement checkpoint(*this, "INSERT OR REPLACE INTO checkpoints VALUES(?, ?, ?, ?, ?)");
      absl::Status done = checkpoint.Text(job)
                              .Int(arm)
                              .Int(saved.version())
                              .Text(saved.label())
                              .Message(saved)
                              .Run();
      if (!done.ok()) return done;
    }
    Statement state(*this, "UPDATE jobs SET curriculum = ?, seconds = ? WHERE id = ?");
    absl::Status done = state.Message(record.state).Real(record.seconds).Text(job).Run();
    if (!done.ok() || !record.succeeded) return done;
    return SetState(job, v1::SUCCEEDED, "", record.seconds);
  });
}

template <typename Message>
absl::StatusOr<std::vector<Message>> Store::LoadMessages(Statement& statement) {
  std::vector<Message> messages;
  for (;;) {
    auto row = statement.Step();
    if (!row.ok()) return row.status();
    if (!*row) return messages;
    if (absl::Status read = statement.GetMessage(0, messages.emplace_back()); !read.ok())
      return read;
  }
}

absl::StatusOr<std::vector<Event>> Store::LoadEvents(const std::string& job) {
  Statement statement(*this, "SELECT event FROM events WHERE job = ? ORDER BY number");
  return LoadMessages<Event>(statement.Text(job));
}

absl::StatusOr<std::vector<v1::Assignment>> Store::LoadGroups(const std::string& job, uint32_t arm,
                                                              uint64_t first) {
  Statement statement(
      *this,
      "SELECT assignment FROM training_groups WHERE job = ? AND arm = ? AND number >= ? "
      "ORDER BY number");
  return LoadMessages<v1::Assignment>(statement.Text(job).Int(arm).Int(first));
}

absl::StatusOr<bool> Store::AddResult(const v1::EpisodeResult& result) {
  Statement statement(*this, "INSERT OR IGNORE INTO results VALUES(?, ?, ?, ?, ?, ?)");
  absl::Status added = statement.Text(result.name().job_id())
                           .Int(result.name().arm())
                           .Int(result.row())
                           .Int(result.name().group())
                           .Int(result.member())
                           .Message(result)
                           .Run();
  if (!added.ok()) return added;
  return sqlite3_changes(database_) > 0;
}

absl::StatusOr<std::vector<v1::EpisodeResult>> Store::LoadResults(const std::string& job,
                                                                  uint32_t arm, uint32_t row) {
  Statement statement(*this,
                      "SELECT result FROM results WHERE job = ? AND arm = ? AND matrix_row = ? "
                      "ORDER BY number, member");
  return LoadMessages<v1::EpisodeResult>(statement.Text(job).Int(arm).Int(row));
}

absl::StatusOr<uint64_t> Store::CountResults(const std::string& job) {
  Statement statement(*this, "SELECT COUNT(*) FROM results WHERE job = ?");
  if (auto row = statement.Text(job).Step(); !row.ok()) return row.status();
  return statement.GetInt(0);
}

absl::StatusOr<std::vector<v1::UpdateRecord>> Store::LoadUpdates(const std::string& job,
                                                                 uint32_t arm) {
  Statement statement(*this,
                      "SELECT record FROM updates WHERE job = ? AND arm = ? ORDER BY number");
  return LoadMessages<v1::UpdateRecord>(statement.Text(job).Int(arm));
}

absl::StatusOr<std::vector<v1::CheckpointSaved>> Store::LoadCheckpoints(const std::string& job,
                                                                        uint32_t arm) {
  Statement statement(
      *this,
      "SELECT checkpoint FROM checkpoints WHERE job = ? AND arm = ? ORDER BY version, label");
  return LoadMessages<v1::CheckpointSaved>(statement.Text(job).Int(arm));
}

}  // namespace sojourn::coordinator
