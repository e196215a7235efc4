// A function that is lent for the length of a call: what an interface takes in the place of a template
// parameter. It owns nothing and allocates nothing.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace replikv::inline v0_1::detail {

template <class Signature>
class FunctionRef;

/// Valid for as long as the function it was made of.
template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<Result, F&, Args...>)
      FunctionRef(F&& function)
  noexcept  // NOLINT: made of what is passed
      : function_(const_cast<void*>(static_cast<const void*>(std::addressof(function)))),
        call_([](void* called, Args... args) -> Result {
          return (*static_cast<std::remove_reference_t<F>*>(called))(std::forward<Args>(args)...);
        }) {}

  Result operator()(Args... args) const { return call_(function_, std::forward<Args>(args)...); }

 private:
  void* function_;
  Result (*call_)(void*, Args...);
};

}  // namespace replikv::inline v0_1::detail
