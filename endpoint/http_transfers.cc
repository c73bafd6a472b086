#include "endpoint/http_transfers.h"

#include <curl/curl.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sojourn::endpoint {
namespace {

// A proxy that the environment names is for other machines.
bool IsLoopback(const std::string& url) {
  const size_t at = url.find("://");
  const std::string host = at == url.npos ? url : url.substr(at + 3);
  return absl::StartsWith(host, "localhost") || absl::StartsWith(host, "127.") ||
         absl::StartsWith(host, "[::1]");
}

}  // namespace

struct HttpTransfers::Transfer {
  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
  CURL* easy = curl_easy_init();
  curl_slist* headers = nullptr;
  char why[CURL_ERROR_SIZE] = "";
  HttpAnswer answer;
  size_t max_bytes = 0;
  bool too_long = false;
};

HttpTransfers::HttpTransfers(const HttpOptions& options) : options_(options) {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)once;
  multi_ = curl_multi_init();
}

HttpTransfers::~HttpTransfers() {
  while (!transfers_.empty()) Cancel(transfers_.begin()->first);
  curl_multi_cleanup(static_cast<CURLM*>(multi_));
}

size_t HttpTransfers::TakeBytes(char* data, size_t size, size_t count, void* argument) {
  Transfer& transfer = *static_cast<Transfer*>(argument);
  transfer.too_long = transfer.answer.body.size() + size * count > transfer.max_bytes;
  if (transfer.too_long) return 0;  // breaks it off
  transfer.answer.body.append(data, size * count);
  return size * count;
}

void HttpTransfers::Start(int64_t id, const std::string& url, const std::string* json) {
  auto transfer = std::make_unique<Transfer>();
  transfer->answer.id = id;
  transfer->max_bytes = options_.max_answer_bytes;
  CURL* const easy = transfer->easy;
  if (easy == nullptr || multi_ == nullptr) {
    transfer->answer.status = absl::ResourceExhaustedError("no memory for a connection");
    failed_.push_back(std::move(transfer->answer));
    return;
  }
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  const auto header = [&](const std::string& line) {
    transfer->headers = curl_slist_append(transfer->headers, line.c_str());
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  if (IsLoopback(url)) set(CURLOPT_PROXY, "");
  set(CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(absl::ToInt64Milliseconds(options_.connect_timeout)));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(options_.timeout)));
  set(CURLOPT_ERRORBUFFER, transfer->why);
  set(CURLOPT_WRITEFUNCTION, &HttpTransfers::TakeBytes);
  set(CURLOPT_WRITEDATA, transfer.get());
  set(CURLOPT_PRIVATE, transfer.get());
  header("Accept: application/json");
  if (!options_.api_key.empty()) header(absl::StrCat("Authorization: Bearer ", options_.api_key));
  if (json != nullptr) {
    header("Content-Type: application/json");
    header("Expect:");  // the body at once, without asking first
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json->size()));
    set(CURLOPT_COPYPOSTFIELDS, json->c_str());
  }
  set(CURLOPT_HTTPHEADER, transfer->headers);
  const CURLMcode added = curl_multi_add_handle(static_cast<CURLM*>(multi_), easy);
  if (added != CURLM_OK) {
    transfer->answer.status = absl::InternalError(curl_multi_strerror(added));
    failed_.push_back(std::move(transfer->answer));
    return;
  }
  transfers_[id] = std::move(transfer);
}

void HttpTransfers::Cancel(int64_t id) {
  std::erase_if(failed_, [&](const HttpAnswer& answer) { return answer.id == id; });
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  curl_multi_remove_handle(static_cast<CURLM*>(multi_), found->second->easy);
  transfers_.erase(found);
}

HttpAnswer HttpTransfers::Finish(Transfer& transfer, int code) {
  HttpAnswer& answer = transfer.answer;
  const std::string why =
      transfer.why[0] != 0 ? transfer.why : curl_easy_strerror(static_cast<CURLcode>(code));
  switch (code) {
    case CURLE_OK: {
      long status = 0;
      curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
      curl_off_t seconds = 0;
      curl_easy_getinfo(transfer.easy, CURLINFO_RETRY_AFTER, &seconds);
      answer.code = static_cast<int>(status);
      answer.retry_after = absl::Seconds(seconds);
      break;
    }
    case CURLE_OPERATION_TIMEDOUT:
      answer.status = absl::DeadlineExceededError(absl::StrCat(
          "no whole answer within ", absl::FormatDuration(options_.timeout), " (", why, ")"));
      break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      answer.status = absl::UnavailableError(absl::StrCat("cannot connect: ", why));
      break;
    case CURLE_WRITE_ERROR:
      answer.status = transfer.too_long
                          ? absl::ResourceExhaustedError(absl::StrCat("the answer is longer than ",
                                                                      transfer.max_bytes, " bytes"))
                          : absl::DataLossError(why);
      break;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      answer.status =
          absl::UnavailableError(absl::StrCat("the connection ended before the answer did: ", why));
      break;
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      answer.status = absl::FailedPreconditionError(why);
      break;
    case CURLE_OUT_OF_MEMORY:
      answer.status = absl::ResourceExhaustedError(why);
      break;
    default:
      answer.status = absl::DataLossError(absl::StrCat("the answer is no proper HTTP: ", why));
  }
  return std::move(answer);
}

std::vector<HttpAnswer> HttpTransfers::Poll(absl::Duration longest) {
  std::vector<HttpAnswer> answers = std::exchange(failed_, {});
  CURLM* const multi = static_cast<CURLM*>(multi_);
  for (int pass = 0; pass < 2; ++pass) {
    int running = 0;
    curl_multi_perform(multi, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      answers.push_back(Finish(*transfer, code));
      Cancel(answers.back().id);
    }
    if (!answers.empty() || pass == 1) break;
    // Also with nothing under way: the caller waits until something is worth trying again.
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(longest)),
                    nullptr);
  }
  return answers;
}

}  // namespace sojourn::endpoint
