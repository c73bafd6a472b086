// The tables of kernels_formats.h, compiled once per instruction set as model_kernels_impl.h is.
#ifndef SOJOURN_POLICY_KERNELS_FORMATS_IMPL_H_
#define SOJOURN_POLICY_KERNELS_FORMATS_IMPL_H_

#include "policy/kernels_attention_impl.h"
#include "policy/kernels_formats.h"
#include "policy/kernels_product_impl.h"
#include "policy/kernels_training_impl.h"

#define SOJOURN_STRING_OF(x) #x
#define SOJOURN_STRING(x) SOJOURN_STRING_OF(x)

namespace sojourn::policy::SOJOURN_KERNELS {

extern const FormatKernels kQuantizedTables[2];
const FormatKernels kQuantizedTables[2] = {
    {InputBytes16, Prepare16, Product16, KvHeadBytes<Bf16Cache>, StoreKv<Bf16Cache>,
     Attend<Bf16Cache>, AttendScratch<Bf16Cache>, "bf16, " SOJOURN_STRING(SOJOURN_KERNELS)},
    {InputBytes8, Prepare8, Product8, KvHeadBytes<Int8Cache>, StoreKv<Int8Cache>, Attend<Int8Cache>,
     AttendScratch<Int8Cache>, "int8, " SOJOURN_STRING(SOJOURN_KERNELS)}};

extern const AttentionKernels<Bf16> kAttention16;
const AttentionKernels<Bf16> kAttention16 = {TrainingScratch, TrainingForward, TrainingBackward};

}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_KERNELS_FORMATS_IMPL_H_
