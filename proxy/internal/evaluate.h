// SPDX-License-Identifier: MIT
//
// The one evaluator: walks a request's chain of operations on an object and writes the outcome,
// whichever channel brought the request.
//
// Only what is described can be reached: a name that is not in the description, or an operation
// that a type does not have, is NotDescribed. Every exception of the object, and every fault of the
// request, becomes an error outcome; the evaluator itself throws only BadValue, for an outcome that
// can't be written, and LeftEvaluation. A thread that ends in a method (pthread_exit, cancellation)
// unwinds through it.
//
// A batch is several chains in one request: each begins at the object, and has an outcome of its
// own. One that fails does not affect the others.
//
// Threads:  no state. The caller sees to it that the object is not used at the same time.
#ifndef REMOTEOBJ_PROXY_INTERNAL_EVALUATE_H_
#define REMOTEOBJ_PROXY_INTERNAL_EVALUATE_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "remoteobj/proxy/internal/type_info.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::proxy_internal {

// The longest chain. It is walked by recursion, since the result of a step may be a temporary.
inline constexpr std::size_t kMaxOperations = 1000;
// The largest batch.
inline constexpr std::size_t kMaxChains = std::size_t{1} << 20;

// Thrown by a method that will be called again later: the one exception that leaves Evaluate.
struct LeftEvaluation {};

// Throws to refuse an operation on an object of that type. Called before each operation but calls,
// whose method it has seen, on whatever a chain has come to: also on the results of calls.
using CheckOperation =
    absl::FunctionRef<void(const TypeInfo& type, const OperationReader& operation)>;

// Limits of a request. The objects that it points to outlive the evaluation.
struct Limits {
  const CheckOperation* check = nullptr;
  // The name of a policy by which everything that a chain comes to is const: another operation is
  // NotAllowed.
  const std::string* read_only = nullptr;
};

void Evaluate(void* object, const TypeInfo& type, const RequestReader& request,
              OutcomeWriter& outcome, Limits limits = {});
// One chain of a batch: the operations from `begin` to `end`.
void EvaluateChain(void* object, const TypeInfo& type, const RequestReader& request,
                   std::size_t begin, std::size_t end, OutcomeWriter& outcome, Limits limits = {});

// A function of this program that PassTo may name. Only what was registered when the program
// started can be run, so a damaged request can't run anything else.
struct PassedFunction {
  const TypeInfo& (*type)();  // The type of the object that it takes.
  void (*run)(void* object, const ListReader& arguments, CallResult& result);
};

// Throws BadValue unless these are the arguments of PassTo for a function with so many captured
// bytes and `size` arguments of its own.
void CheckPassed(const ListReader& arguments, std::size_t size, std::size_t captured_bytes);

// Returns the number that names it in requests, which is the same in every fork of the program.
std::uint64_t RegisterPassedFunction(const PassedFunction* function);

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_EVALUATE_H_
