// The part of ONNX Runtime's C API that Millrace calls, declared by ourselves so that building needs no headers.
//
// `OrtApi` is a table of function pointers whose order never changes; entries that are not called are kept as gaps, and
// the number behind an entry is its index in `struct OrtApi` of onnxruntime_c_api.h (checked against API versions 13
// and 29). Every entry used here exists since API version 4.
// Source: https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/onnxruntime_c_api.h
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin
// The pointers of the table itself are all present; saying so at each would hide the signatures.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"
#pragma clang diagnostic ignored "-Wnullability-inferred-on-nested-type"

typedef struct OrtEnv OrtEnv;
typedef struct OrtStatus OrtStatus;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtSession OrtSession;
typedef struct OrtValue OrtValue;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtModelMetadata OrtModelMetadata;

/// `NULL` means success; anything else is released with `ReleaseStatus`.
typedef OrtStatus *_Nullable OrtResult;

enum { MILLRACE_ORT_API_VERSION = 13 };

/// `OrtLoggingLevel`, `ONNXType`, `ONNXTensorElementDataType`, `OrtAllocatorType`, `OrtMemType`: the values used.
enum { MILLRACE_ORT_LOG_FATAL = 4 };
enum { MILLRACE_ORT_TYPE_TENSOR = 1 };
enum {
  MILLRACE_ORT_FLOAT32 = 1, MILLRACE_ORT_UINT8 = 2, MILLRACE_ORT_INT8 = 3, MILLRACE_ORT_UINT16 = 4, MILLRACE_ORT_INT16 = 5,
  MILLRACE_ORT_INT32 = 6, MILLRACE_ORT_INT64 = 7, MILLRACE_ORT_BOOL = 9, MILLRACE_ORT_FLOAT16 = 10, MILLRACE_ORT_FLOAT64 = 11,
  MILLRACE_ORT_UINT32 = 12, MILLRACE_ORT_UINT64 = 13
};
enum { MILLRACE_ORT_ARENA_ALLOCATOR = 1, MILLRACE_ORT_MEMORY_DEFAULT = 0 };

typedef struct MillraceOrtApi {
  void *gap0;
  int (*GetErrorCode)(const OrtStatus *status);                                                       // 1
  const char *(*GetErrorMessage)(const OrtStatus *status);                                            // 2
  OrtResult (*CreateEnv)(int level, const char *id, OrtEnv *_Nullable *out);                          // 3
  void *gap4[3];
  OrtResult (*CreateSession)(const OrtEnv *env, const char *path, const OrtSessionOptions *options,
                             OrtSession *_Nullable *out);                                             // 7
  OrtResult (*CreateSessionFromArray)(const OrtEnv *env, const void *bytes, size_t length,
                                      const OrtSessionOptions *options, OrtSession *_Nullable *out);  // 8
  OrtResult (*Run)(OrtSession *session, const OrtRunOptions *_Nullable options,
                   const char *_Nullable const *inputNames, const OrtValue *_Nullable const *inputs,
                   size_t inputCount, const char *_Nullable const *outputNames, size_t outputCount,
                   OrtValue *_Nullable *outputs);                                                     // 9
  OrtResult (*CreateSessionOptions)(OrtSessionOptions *_Nullable *out);                               // 10
  void *gap11[12];
  OrtResult (*SetSessionGraphOptimizationLevel)(OrtSessionOptions *options, int level);               // 23
  OrtResult (*SetIntraOpNumThreads)(OrtSessionOptions *options, int count);                           // 24
  OrtResult (*SetInterOpNumThreads)(OrtSessionOptions *options, int count);                           // 25
  void *gap26[4];
  OrtResult (*SessionGetInputCount)(const OrtSession *session, size_t *out);                          // 30
  OrtResult (*SessionGetOutputCount)(const OrtSession *session, size_t *out);                         // 31
  void *gap32;
  OrtResult (*SessionGetInputTypeInfo)(const OrtSession *session, size_t index,
                                       OrtTypeInfo *_Nullable *out);                                  // 33
  OrtResult (*SessionGetOutputTypeInfo)(const OrtSession *session, size_t index,
                                        OrtTypeInfo *_Nullable *out);                                 // 34
  void *gap35;
  OrtResult (*SessionGetInputName)(const OrtSession *session, size_t index, OrtAllocator *allocator,
                                   char *_Nullable *out);                                             // 36
  OrtResult (*SessionGetOutputName)(const OrtSession *session, size_t index, OrtAllocator *allocator,
                                    char *_Nullable *out);                                            // 37
  void *gap38[11];
  OrtResult (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *memory, void *data, size_t bytes,
                                              const int64_t *shape, size_t rank, int element,
                                              OrtValue *_Nullable *out);                              // 49
  OrtResult (*IsTensor)(const OrtValue *value, int *out);                                             // 50
  OrtResult (*GetTensorMutableData)(OrtValue *value, void *_Nullable *out);                           // 51
  void *gap52[3];
  OrtResult (*CastTypeInfoToTensorInfo)(const OrtTypeInfo *info,
                                        const OrtTensorTypeAndShapeInfo *_Nullable *out);             // 55
  OrtResult (*GetOnnxTypeFromTypeInfo)(const OrtTypeInfo *info, int *out);                            // 56
  void *gap57[3];
  OrtResult (*GetTensorElementType)(const OrtTensorTypeAndShapeInfo *info, int *out);                 // 60
  OrtResult (*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *info, size_t *out);                // 61
  OrtResult (*GetDimensions)(const OrtTensorTypeAndShapeInfo *info, int64_t *out, size_t count);      // 62
  void *gap63[2];
  OrtResult (*GetTensorTypeAndShape)(const OrtValue *value, OrtTensorTypeAndShapeInfo *_Nullable *out); // 65
  void *gap66[3];
  OrtResult (*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo *_Nullable *out);         // 69
  void *gap70[6];
  OrtResult (*AllocatorFree)(OrtAllocator *allocator, void *pointer);                                 // 76
  void *gap77;
  OrtResult (*GetAllocatorWithDefaultOptions)(OrtAllocator *_Nullable *out);                          // 78
  void *gap79[13];
  void (*ReleaseEnv)(OrtEnv *_Nullable);                                                              // 92
  void (*ReleaseStatus)(OrtStatus *_Nullable);                                                        // 93
  void (*ReleaseMemoryInfo)(OrtMemoryInfo *_Nullable);                                                // 94
  void (*ReleaseSession)(OrtSession *_Nullable);                                                      // 95
  void (*ReleaseValue)(OrtValue *_Nullable);                                                          // 96
  void (*ReleaseRunOptions)(OrtRunOptions *_Nullable);                                                // 97
  void (*ReleaseTypeInfo)(OrtTypeInfo *_Nullable);                                                    // 98
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *_Nullable);                        // 99
  void (*ReleaseSessionOptions)(OrtSessionOptions *_Nullable);                                        // 100
  void *gap101[10];
  OrtResult (*SessionGetModelMetadata)(const OrtSession *session, OrtModelMetadata *_Nullable *out);  // 111
  void *gap112[4];
  OrtResult (*ModelMetadataLookupCustomMetadataMap)(const OrtModelMetadata *metadata, OrtAllocator *allocator,
                                                    const char *key, char *_Nullable *_Nonnull out);  // 116
  void *gap117;
  void (*ReleaseModelMetadata)(OrtModelMetadata *_Nullable);                                          // 118
  void *gap119[6];
  OrtResult (*GetAvailableProviders)(char *_Nullable *_Nullable *_Nonnull out, int *count);           // 125
  OrtResult (*ReleaseAvailableProviders)(char *_Nullable *_Nonnull providers, int count);             // 126
  void *gap127[3];
  OrtResult (*AddSessionConfigEntry)(OrtSessionOptions *options, const char *key, const char *value); // 130
} MillraceOrtApi;

/// The layout is the contract: a gap of the wrong length would call a wrong function.
_Static_assert(offsetof(MillraceOrtApi, Run) == 9 * sizeof(void *), "OrtApi.Run");
_Static_assert(offsetof(MillraceOrtApi, SessionGetInputName) == 36 * sizeof(void *), "OrtApi.SessionGetInputName");
_Static_assert(offsetof(MillraceOrtApi, GetTensorTypeAndShape) == 65 * sizeof(void *), "OrtApi.GetTensorTypeAndShape");
_Static_assert(offsetof(MillraceOrtApi, ReleaseSessionOptions) == 100 * sizeof(void *), "OrtApi.ReleaseSessionOptions");
_Static_assert(offsetof(MillraceOrtApi, ReleaseModelMetadata) == 118 * sizeof(void *), "OrtApi.ReleaseModelMetadata");
_Static_assert(offsetof(MillraceOrtApi, AddSessionConfigEntry) == 130 * sizeof(void *), "OrtApi.AddSessionConfigEntry");

typedef struct MillraceOrtLibrary {
  /// `NULL` when the library speaks only older versions of the API.
  const MillraceOrtApi *_Nullable api;
  /// Of the library, such as `1.31.1`.
  const char *_Nullable version;
  /// `OrtSessionOptionsAppendExecutionProvider_CUDA`, which only libraries built for CUDA export.
  OrtResult (*_Nullable appendCUDA)(OrtSessionOptions *options, int device);
} MillraceOrtLibrary;

/// Loads the library at `path` for the rest of the process.
///
/// Returns 0; or -1, with the reason in `message` (at most `messageBytes` with the final zero).
int millrace_ort_open(const char *path, MillraceOrtLibrary *out, char *message, size_t messageBytes);

#pragma clang diagnostic pop
#pragma clang assume_nonnull end
