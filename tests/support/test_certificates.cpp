// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_certificates.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <stdexcept>
#include <utility>

namespace cofounder::test {
namespace {

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) throw std::runtime_error{"X509V3_EXT_conf_nid"};
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* make_certificate(EVP_PKEY* key, const char* common_name, std::chrono::seconds from,
                       std::chrono::seconds until) {
  static long serial = 1;
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), until.count());
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  return certificate;
}

void write_files(const std::filesystem::path& stem, X509* certificate, EVP_PKEY* key) {
  std::FILE* file = std::fopen((stem.string() + ".pem").c_str(), "w");
  if (file == nullptr) throw std::runtime_error{"cannot write " + stem.string()};
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen((stem.string() + ".key").c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace

struct TestCertificates::Keys {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = nullptr;
  ~Keys() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

TestCertificates::TestCertificates(std::filesystem::path directory)
    : directory_{std::move(directory)}, ca_{std::make_unique<Keys>()} {
  ca_->certificate =
      make_certificate(ca_->key, "Test CA", std::chrono::hours{-48}, std::chrono::hours{48});
  X509_set_issuer_name(ca_->certificate, X509_get_subject_name(ca_->certificate));
  add_extension(ca_->certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(ca_->certificate, ca_->key, EVP_sha256());
  write_files(directory_ / "ca", ca_->certificate, ca_->key);
}

TestCertificates::~TestCertificates() = default;

void TestCertificates::make(const Request& request) const {
  Keys keys;
  keys.certificate =
      make_certificate(keys.key, request.name.c_str(), request.valid_from, request.valid_until);
  add_extension(keys.certificate, NID_subject_alt_name, request.host);
  X509* const issuer = request.is_self_signed ? keys.certificate : ca_->certificate;
  X509_set_issuer_name(keys.certificate, X509_get_subject_name(issuer));
  X509_sign(keys.certificate, request.is_self_signed ? keys.key : ca_->key, EVP_sha256());
  write_files(directory_ / request.name, keys.certificate, keys.key);
}

}  // namespace cofounder::test
