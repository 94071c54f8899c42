// What the functions of the addon share: errors, and arguments that are checked before anything is touched.
#pragma once

// NAPI_VERSION_EXPERIMENTAL: with it the collector itself runs a finaliser. With the numbered versions the event loop does,
// which the data plane's thread never turns (host/plane.ts): no context that a link let go would ever be freed there.
#define NAPI_VERSION 2147483647
#include <node_api.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace herd {

inline napi_value ThrowType(napi_env env, const char* what) {
  napi_throw_type_error(env, nullptr, what);
  return nullptr;
}

inline napi_value ThrowRange(napi_env env, const char* what) {
  napi_throw_range_error(env, nullptr, what);
  return nullptr;
}

// The memory of a typed array and its number of elements; false if `value` is none of `type`. Empty ones have no memory.
template <typename Element>
bool Elements(napi_env env, napi_value value, napi_typedarray_type type, Element** elements, size_t* length) {
  napi_typedarray_type actual;
  void* data;
  if (napi_get_typedarray_info(env, value, &actual, length, &data, nullptr, nullptr) != napi_ok) return false;
  *elements = static_cast<Element*>(data);
  return actual == type;
}

// Neither OpenSSL nor the kernel is built with AddressSanitizer: before they get memory, the sanitised build looks itself.
inline void Touch([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  void* poisoned = __asan_region_is_poisoned(const_cast<void*>(memory), bytes);
  if (poisoned != nullptr) *static_cast<volatile char*>(poisoned) = 0;
#endif
}

// Each adds its functions to the addon's exports.
void DefineAead(napi_env env, napi_value exports);
void DefineDatagrams(napi_env env, napi_value exports);

}  // namespace herd
