// AES-256-GCM under one key, in place: the class Aead of crypto/aead.ts, which says what it promises. What node:crypto
// does anew for each packet (cipher object, key schedule, two buffers, an exception when a tag is wrong) is done once per
// key here or not at all.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

// The OpenSSL inside Node's own binary, which exports these. Declared here because its headers come with no package; all
// have been public with this signature since OpenSSL 3.0, and OpenSSL keeps its ABI within a major version. The linker is
// told (build.sh) to look all of them up while loading: a Node without one of them refuses the file and uses the twin.
extern "C" {
struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct ossl_param_st;
evp_cipher_ctx_st* EVP_CIPHER_CTX_new();
void EVP_CIPHER_CTX_free(evp_cipher_ctx_st*);  // wipes the key schedule
int EVP_CIPHER_CTX_ctrl(evp_cipher_ctx_st*, int type, int argument, void* pointer);
const evp_cipher_st* EVP_aes_256_gcm();
int EVP_CipherInit_ex2(evp_cipher_ctx_st*, const evp_cipher_st*, const unsigned char* key, const unsigned char* nonce,
                       int encrypt, const ossl_param_st*);
int EVP_CipherUpdate(evp_cipher_ctx_st*, unsigned char* out, int* out_length, const unsigned char* in, int length);
int EVP_CipherFinal_ex(evp_cipher_ctx_st*, unsigned char* out, int* out_length);
}

namespace herd {
namespace {

constexpr int kGetTag = 0x10;  // EVP_CTRL_AEAD_GET_TAG
constexpr int kSetTag = 0x11;  // EVP_CTRL_AEAD_SET_TAG
constexpr int kOpen = 0, kSeal = 1;
constexpr size_t kKeyBytes = 32, kTagBytes = 16, kNonceBytes = 12;
// A UDP datagram's worth: what is opened fits the stack until its tag is known to be right.
constexpr double kLengthMax = 65535;
constexpr double kSafeIntegerMax = 9007199254740991;

bool IsIntegerUpTo(double value, double max) { return value >= 0 && value <= max && value == floor(value); }

napi_value ThrowFailed(napi_env env) {
  napi_throw_error(env, nullptr, "OpenSSL failed");
  return nullptr;
}

void Free(node_api_basic_env, void* context, void*) { EVP_CIPHER_CTX_free(static_cast<evp_cipher_ctx_st*>(context)); }

// new Aead(key): the context belongs to the object and is freed, its key wiped, when the object is collected.
napi_value Construct(napi_env env, napi_callback_info info) {
  size_t argc = 1, length;
  unsigned char* key;
  napi_value self, key_value, new_target;
  if (napi_get_new_target(env, info, &new_target) != napi_ok || new_target == nullptr) {
    return ThrowType(env, "Aead is made with new");
  }
  if (napi_get_cb_info(env, info, &argc, &key_value, &self, nullptr) != napi_ok) return nullptr;
  if (!Elements(env, key_value, napi_uint8_array, &key, &length)) return ThrowType(env, "key must be a Uint8Array");
  if (length != kKeyBytes) {
    char what[64];
    snprintf(what, sizeof what, "key must be %zu bytes, got %zu", kKeyBytes, length);
    return ThrowRange(env, what);
  }
  Touch(key, kKeyBytes);
  evp_cipher_ctx_st* context = EVP_CIPHER_CTX_new();
  if (context == nullptr || EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key, nullptr, kSeal, nullptr) != 1 ||
      napi_wrap(env, self, context, Free, nullptr, nullptr) != napi_ok) {
    EVP_CIPHER_CTX_free(context);
    return ThrowFailed(env);
  }
  return self;
}

// What seal and open are given: bytes, offset, length, counter, additional (or undefined).
struct Packet {
  evp_cipher_ctx_st* context;
  unsigned char* text;
  size_t length;
  // From the first byte of the text to the end of the buffer.
  size_t room;
  unsigned char* additional;
  size_t additional_length;
  // Four zero bytes and the counter, big-endian.
  unsigned char nonce[kNonceBytes];

  // Throws and returns false if an argument is not what it has to be; `text` is not read before `room` has been looked at.
  bool Read(napi_env env, napi_callback_info info) {
    size_t argc = 5, size;
    napi_value self, args[5];
    double offset_value, length_value, counter;
    void* wrapped;
    if (napi_get_cb_info(env, info, &argc, args, &self, nullptr) != napi_ok ||
        napi_unwrap(env, self, &wrapped) != napi_ok) {
      ThrowType(env, "not an Aead");
      return false;
    }
    context = static_cast<evp_cipher_ctx_st*>(wrapped);
    if (!Elements(env, args[0], napi_uint8_array, &text, &size) ||
        napi_get_value_double(env, args[1], &offset_value) != napi_ok ||
        napi_get_value_double(env, args[2], &length_value) != napi_ok ||
        napi_get_value_double(env, args[3], &counter) != napi_ok || !ReadAdditional(env, args[4])) {
      ThrowType(env, "takes bytes, offset, length, counter and additional bytes or undefined");
      return false;
    }
    if (!IsIntegerUpTo(offset_value, kSafeIntegerMax) || !IsIntegerUpTo(length_value, kLengthMax) ||
        !IsIntegerUpTo(counter, kSafeIntegerMax) || additional_length > kLengthMax) {
      ThrowRange(env, "offset, length, counter or the length of the additional bytes is out of range");
      return false;
    }
    size_t offset = static_cast<size_t>(offset_value);
    room = offset <= size ? size - offset : 0;
    text += room > 0 ? offset : 0;
    length = static_cast<size_t>(length_value);
    memset(nonce, 0, 4);
    uint64_t rest = static_cast<uint64_t>(counter);
    for (size_t i = kNonceBytes; i > 4; i -= 1, rest >>= 8) nonce[i - 1] = static_cast<unsigned char>(rest);
    return true;
  }

  bool Fits() const { return length + kTagBytes <= room; }

  // Sets the nonce and authenticates the additional bytes.
  bool Begin(int direction) {
    int done;
    Touch(additional, additional_length);
    Touch(text, length + kTagBytes);
    return EVP_CipherInit_ex2(context, nullptr, nullptr, nonce, direction, nullptr) == 1 &&
           (additional_length == 0 || EVP_CipherUpdate(context, nullptr, &done, additional,
                                                       static_cast<int>(additional_length)) == 1);
  }

 private:
  bool ReadAdditional(napi_env env, napi_value value) {
    napi_valuetype type;
    additional = nullptr;
    additional_length = 0;
    if (napi_typeof(env, value, &type) != napi_ok) return false;
    if (type == napi_undefined) return true;
    return Elements(env, value, napi_uint8_array, &additional, &additional_length);
  }
};

napi_value Seal(napi_env env, napi_callback_info info) {
  Packet packet;
  int done;
  if (!packet.Read(env, info)) return nullptr;
  if (!packet.Fits()) return ThrowRange(env, "the bytes and their tag do not fit the buffer");
  unsigned char rest[kTagBytes];
  if (!packet.Begin(kSeal) ||
      EVP_CipherUpdate(packet.context, packet.text, &done, packet.text, static_cast<int>(packet.length)) != 1 ||
      EVP_CipherFinal_ex(packet.context, rest, &done) != 1 ||
      EVP_CIPHER_CTX_ctrl(packet.context, kGetTag, kTagBytes, packet.text + packet.length) != 1) {
    return ThrowFailed(env);
  }
  return nullptr;
}

napi_value Open(napi_env env, napi_callback_info info) {
  Packet packet;
  int done;
  if (!packet.Read(env, info)) return nullptr;
  bool opened = false;
  if (packet.Fits()) {
    // OpenSSL decrypts before it verifies, and a buffer whose tag is wrong has to stay as it was.
    unsigned char plain[static_cast<size_t>(kLengthMax)], rest[kTagBytes];
    if (!packet.Begin(kOpen) ||
        EVP_CIPHER_CTX_ctrl(packet.context, kSetTag, kTagBytes, packet.text + packet.length) != 1 ||
        EVP_CipherUpdate(packet.context, plain, &done, packet.text, static_cast<int>(packet.length)) != 1) {
      return ThrowFailed(env);
    }
    opened = EVP_CipherFinal_ex(packet.context, rest, &done) == 1;
    if (opened) memcpy(packet.text, plain, packet.length);
  }
  napi_value result;
  napi_get_boolean(env, opened, &result);
  return result;
}

}  // namespace

void DefineAead(napi_env env, napi_value exports) {
  const napi_property_descriptor methods[] = {
      {"seal", nullptr, Seal, nullptr, nullptr, nullptr, napi_default_method, nullptr},
      {"open", nullptr, Open, nullptr, nullptr, nullptr, napi_default_method, nullptr},
  };
  napi_value aead;
  // Node gives the methods only objects that this class has made: another receiver is a TypeError before it gets here.
  napi_define_class(env, "Aead", NAPI_AUTO_LENGTH, Construct, nullptr, sizeof methods / sizeof methods[0], methods, &aead);
  napi_set_named_property(env, exports, "Aead", aead);
}

}  // namespace herd
