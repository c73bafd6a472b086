// sojourn-sft: makes a starting policy, from demonstrations of the environments to a model directory.
#include <torch/utils.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "learner/memory.h"
#include "policy/model_files.h"
#include "policy/text_files.h"
#include "sft/demonstrations.h"
#include "sft/sequences.h"
#include "sft/sft_config.h"

namespace sojourn::sft {
namespace {

// Plays demonstrations for the tokenizer and trains it.
absl::StatusOr<std::string> NewTokenizer(const v1::SftConfig& config, Demonstrator& demonstrator) {
  std::vector<std::string> texts;
  for (uint32_t n = 0; n < config.tokenizer().training_episodes(); ++n) {
    auto demonstration = demonstrator.Play(n);
    if (!demonstration.ok()) return demonstration.status();
    if (n == 0 && config.instructions()) {
      texts.push_back(demonstration->instructions);
      texts.push_back(demonstration->acceptance);
    }
    for (const Demonstration::Turn& turn : demonstration->turns) {
      texts.push_back(turn.observation);
      texts.push_back(turn.response);
    }
  }
  policy::TokenizerTraining training;
  training.vocab_size = static_cast<int>(config.tokenizer().vocab_size());
  training.split_pattern = config.tokenizer().split_pattern();
  training.whole_words.assign(config.tokenizer().whole_words().begin(), config.tokenizer().whole_words().end());
  return policy::TrainTokenizer(texts, training);
}

absl::StatusOr<policy::Model> NewModel(const v1::SftConfig& config, int64_t vocab_size) {
  const v1::Shape& shape = config.shape();
  policy::ModelConfig model;
  model.vocab_size = vocab_size;
  model.hidden_size = shape.hidden_size();
  model.intermediate_size = shape.intermediate_size();
  model.num_hidden_layers = shape.layers();
  model.num_attention_heads = shape.attention_heads();
  model.num_key_value_heads = shape.key_value_heads();
  model.head_dim = shape.attention_heads() > 0 ? shape.hidden_size() / shape.attention_heads() : 0;
  model.max_position_embeddings = shape.max_position_embeddings();
  model.rope_theta = shape.rope_theta();
  if (absl::Status valid = model.Validate(); !valid.ok()) return valid;
  return policy::Model::Create(model, policy::RandomWeights(model, RandomKey(config.seed()).With("weights")));
}

// Enough demonstrations for every step to read new ones.
absl::StatusOr<std::vector<learner::SupervisedSequence>> MakeData(const v1::SftConfig& config, Demonstrator& demonstrator,
                                                                  const policy::Tokenizer& tokenizer,
                                                                  const policy::ChatFormat& chat) {
  const uint64_t wanted = uint64_t{config.optimizer().steps()} * config.optimizer().tokens_per_step();
  std::vector<learner::SupervisedSequence> data;
  uint64_t tokens = 0, left_out = 0;
  for (uint64_t n = 0; tokens < wanted; ++n) {
    auto demonstration = demonstrator.Play(n);
    if (!demonstration.ok()) return demonstration.status();
    learner::SupervisedSequence sequence =
        ToSequence(*demonstration, tokenizer, chat, config.optimizer().language_model_weight());
    if (sequence.tokens.empty() || sequence.tokens.size() > config.max_context_tokens()) {
      if (++left_out > 1000 && left_out > 9 * data.size()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "max_context_tokens: hardly any demonstration fits in ", config.max_context_tokens(), " tokens; raise it"));
      }
      continue;
    }
    tokens += sequence.tokens.size();
    data.push_back(std::move(sequence));
  }
  std::fprintf(stderr, "%zu demonstrations, %.0f tokens each; %llu longer than %u tokens left out\n", data.size(),
               static_cast<double>(tokens) / static_cast<double>(std::max<size_t>(1, data.size())),
               static_cast<unsigned long long>(left_out), config.max_context_tokens());
  return data;
}

absl::Status Run(const std::string& config_path, const std::string& out) {
  const auto config = LoadSftConfig(config_path);
  if (!config.ok()) return config.status();
  auto demonstrator = Demonstrator::Create(*config);
  if (!demonstrator.ok()) return demonstrator.status();

  // Nothing is written before training is over: `out` may hold another model.
  const bool fresh = config->from().empty();
  std::string new_tokenizer;
  if (fresh) {
    auto json = NewTokenizer(*config, **demonstrator);
    if (!json.ok()) return json.status();
    new_tokenizer = *std::move(json);
  }
  const auto tokenizer = fresh ? policy::Tokenizer::Parse(new_tokenizer, "the new tokenizer")
                               : policy::LoadTokenizer(config->from());
  if (!tokenizer.ok()) return tokenizer.status();
  const auto source = fresh ? absl::StatusOr<policy::ChatSource>(policy::ChatSource()) : policy::LoadChatSource(config->from(), **tokenizer);
  if (!source.ok()) return source.status();
  const auto chat = policy::ChatFormat::Create(**tokenizer, *source);
  if (!chat.ok()) return chat.status();
  auto model = config->from().empty() ? NewModel(*config, (*tokenizer)->vocab_size()) : policy::LoadModel(config->from());
  if (!model.ok()) return model.status();

  v1::Policy policy;
  policy.set_dtype(config->dtype());
  *policy.mutable_lora() = config->lora();
  auto trainable = learner::Trainable::Create(*model, policy, config->seed());
  if (!trainable.ok()) return trainable.status();

  const auto data = MakeData(*config, **demonstrator, **tokenizer, *chat);
  if (!data.ok()) return data.status();
  const v1::SftOptimizer& optimizer = config->optimizer();
  const learner::SupervisedOptions options{.steps = optimizer.steps(),
                                           .tokens_per_step = optimizer.tokens_per_step(),
                                           .microbatch_tokens = optimizer.microbatch_tokens(),
                                           .muon_learning_rate = optimizer.muon_learning_rate(),
                                           .adamw_learning_rate = optimizer.adamw_learning_rate(),
                                           .warmup_steps = optimizer.warmup_steps(),
                                           .decay_fraction = optimizer.decay_fraction(),
                                           .recompute_activations = optimizer.recompute_activations(),
                                           .seed = config->seed()};
  const absl::Time start = absl::Now();
  const uint32_t shown = std::clamp<uint32_t>(options.steps / 20, 1, 50);
  double mean_loss = 0;
  const absl::Status trained = learner::TrainSupervised(*trainable, *data, options, [&](const learner::SupervisedProgress& p) {
    mean_loss = p.step <= 1 ? p.loss : 0.95 * mean_loss + 0.05 * p.loss;
    if (p.step % shown == 0 || p.step == options.steps) {
      const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
      std::fprintf(stderr, "step %u/%u  loss %.3f  %.1fk tokens/s  %.0fs left\n", p.step, options.steps, mean_loss,
                   static_cast<double>(p.tokens) / seconds / 1000, seconds / p.step * (options.steps - p.step));
    }
  });
  if (!trained.ok()) return trained;
  const policy::Model made = trainable->Policy();
  if (fresh) {
    const std::string path = (std::filesystem::path(out) / "tokenizer.json").string();
    if (absl::Status written = WriteFileAtomically(path, new_tokenizer); !written.ok()) return written;
  }
  if (absl::Status saved = policy::SaveModel(out, made, fresh ? out : config->from()); !saved.ok()) return saved;
  if (trainable->lora()) {
    if (absl::Status saved = trainable->SaveAdapter(out + "/adapter", config->from()); !saved.ok()) return saved;
  }
  int64_t parameters = 0;
  for (const auto& [name, tensor] : made.weights()) parameters += tensor.numel();
  std::fprintf(stderr, "%s: %lld parameters, vocabulary %lld, loss %.3f\n", out.c_str(), static_cast<long long>(parameters),
               static_cast<long long>((*tokenizer)->vocab_size()), mean_loss);
  return absl::OkStatus();
}

}  // namespace
}  // namespace sojourn::sft

int main(int argc, char** argv) {
  sojourn::learner::KeepFreedMemory();
  CLI::App app("Makes a starting policy: clones it from demonstrators of the environments.", "sojourn sft");
  std::string config, out;
  int threads = 1;
  app.add_option("CONFIG", config, "a YAML file such as configs/base-model.yaml")->required();
  app.add_option("--out", out, "the model directory to write")->required();
  app.add_option("--threads", threads, "of arithmetic; the weights are reproducible for the same number")->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(threads);
  try {
    const absl::Status status = sojourn::sft::Run(config, out);
    if (status.ok()) return 0;
    std::fprintf(stderr, "sojourn sft: %s\n", std::string(status.message()).c_str());
  } catch (const std::exception& fault) {  // LibTorch's: out of memory, say
    std::fprintf(stderr, "sojourn sft: %s\n", fault.what());
  }
  return 1;
}
