package dev.palimpsest.kernels.x86;

import static dev.palimpsest.kernels.x86.Gpr.*;
import static dev.palimpsest.kernels.x86.Operand.Memory.at;
import static dev.palimpsest.kernels.x86.Operand.Vec.xmm;
import static dev.palimpsest.kernels.x86.Operand.Vec.ymm;
import static dev.palimpsest.kernels.x86.Operand.Vec.zmm;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.palimpsest.kernels.x86.Assembler.Condition;
import dev.palimpsest.kernels.x86.Operand.Memory;
import dev.palimpsest.kernels.x86.Operand.Vec;
import java.util.HexFormat;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Every instruction and every form of operand against the bytes that GNU as 2.40 writes for the same text.
class AssemblerTest {
    static Stream<Arguments> instructions() {
        return Stream.of(
                row("mov rax, rcx", "4889c8", a -> a.mov(RAX, RCX)),
                row("mov r8, rdi", "4989f8", a -> a.mov(R8, RDI)),
                row("mov rdi, r15", "4c89ff", a -> a.mov(RDI, R15)),
                row("mov rax, [rdi]", "488b07", a -> a.mov(RAX, at(RDI))),
                row("mov r9, [rsp+8]", "4c8b4c2408", a -> a.mov(R9, at(RSP, 8))),
                row("mov r12, [r13+0]", "4d8b6500", a -> a.mov(R12, at(R13))),
                row("mov r12, [r12+1024]", "4d8ba42400040000", a -> a.mov(R12, at(R12, 1024))),
                row("mov rbx, [rdi+rcx*8+16]", "488b5ccf10", a -> a.mov(RBX, at(RDI, RCX, 8, 16))),
                row("mov [rsi+24], r10", "4c895618", a -> a.mov(at(RSI, 24), R10)),
                row("mov [r13], rdx", "49895500", a -> a.mov(at(R13), RDX)),
                row("mov [rdi+4], rbx", "895f04", a -> a.mov32(at(RDI, 4), RBX)),
                row("mov [r8+12], r9", "4589480c", a -> a.mov32(at(R8, 12), R9)),
                row("mov rax, [rsi]", "8b06", a -> a.mov32(RAX, at(RSI))),
                row("mov r11, [r14+r15*4-4]", "478b5cbefc", a -> a.mov32(R11, at(R14, R15, 4, -4))),
                row("mov rax, 7", "48c7c007000000", a -> a.mov(RAX, 7)),
                row("mov r10, -1", "49c7c2ffffffff", a -> a.mov(R10, -1)),
                row("mov rcx, 0x123456789abcdef", "48b9efcdab8967452301", a -> a.mov(RCX, 0x123456789abcdefL)),
                row("mov r15, 0x80000000", "49bf0000008000000000", a -> a.mov(R15, 0x80000000L)),
                row("lea rax, [rdi+rsi*2]", "488d0477", a -> a.lea(RAX, at(RDI, RSI, 2, 0))),
                row("lea r14, [r13+r12*8-128]", "4f8d74e580", a -> a.lea(R14, at(R13, R12, 8, -128))),
                row("lea rbp, [rbp+rax*1]", "488d6c0500", a -> a.lea(RBP, at(RBP, RAX, 1, 0))),
                row("add rax, rbx", "4801d8", a -> a.add(RAX, RBX)),
                row("add r9, r10", "4d01d1", a -> a.add(R9, R10)),
                row("add rdx, [rsi+8]", "48035608", a -> a.add(RDX, at(RSI, 8))),
                row("add r15, [r14]", "4d033e", a -> a.add(R15, at(R14))),
                row("add rcx, 64", "4883c140", a -> a.add(RCX, 64)),
                row("add rcx, 128", "4881c180000000", a -> a.add(RCX, 128)),
                row("add r11, -4096", "4981c300f0ffff", a -> a.add(R11, -4096)),
                row("sub rdx, rcx", "4829ca", a -> a.sub(RDX, RCX)),
                row("sub r8, 1", "4983e801", a -> a.sub(R8, 1)),
                row("sub rsi, 1000", "4881eee8030000", a -> a.sub(RSI, 1000)),
                row("and rcx, 15", "4883e10f", a -> a.and(RCX, 15)),
                row("cmp rax, r8", "4c39c0", a -> a.cmp(RAX, R8)),
                row("cmp r8, rax", "4939c0", a -> a.cmp(R8, RAX)),
                row("cmp r13, 16", "4983fd10", a -> a.cmp(R13, 16)),
                row("cmp rcx, 300", "4881f92c010000", a -> a.cmp(RCX, 300)),
                row("test rdx, rdx", "4885d2", a -> a.test(RDX, RDX)),
                row("test r9, rcx", "4985c9", a -> a.test(R9, RCX)),
                row("imul rax, rbx, 1200", "4869c3b0040000", a -> a.imul(RAX, RBX, 1200)),
                row("imul r8, r9, -192", "4d69c140ffffff", a -> a.imul(R8, R9, -192)),
                row("shl rax, 4", "48c1e004", a -> a.shl(RAX, 4)),
                row("shr r11, 63", "49c1eb3f", a -> a.shr(R11, 63)),
                row("dec r9", "49ffc9", a -> a.dec(R9)),
                row("push rbx", "53", a -> a.push(RBX)),
                row("push r12", "4154", a -> a.push(R12)),
                row("pop r15", "415f", a -> a.pop(R15)),
                row("pop rbp", "5d", a -> a.pop(RBP)),
                row("ret", "c3", a -> a.ret()),
                row("cpuid", "0fa2", a -> a.cpuid()),
                row("xgetbv", "0f01d0", a -> a.xgetbv()),
                row("prefetchnta [rsi+512]", "0f188600020000", a -> a.prefetchnta(at(RSI, 512))),
                row("prefetcht0 [rsi+512]", "0f188e00020000", a -> a.prefetcht0(at(RSI, 512))),
                row("prefetchw [rsi+512]", "0f0d8e00020000", a -> a.prefetchw(at(RSI, 512))),
                row("prefetcht0 [r8]", "410f1808", a -> a.prefetcht0(at(R8))),
                row("prefetcht1 [rax+rcx*4]", "0f181488", a -> a.prefetcht1(at(RAX, RCX, 4, 0))),
                row("kmovw k1, rax", "c5f892c8", a -> a.kmovw(1, RAX)),
                row("kmovw k7, r9", "c4c17892f9", a -> a.kmovw(7, R9)),
                row("kmovd k2, rcx", "c5fb92d1", a -> a.kmovd(2, RCX)),
                row("kmovd k3, r12", "c4c17b92dc", a -> a.kmovd(3, R12)),
                row("kmovq k1, rdx", "c4e1fb92ca", a -> a.kmovq(1, RDX)),
                row("kmovq k4, r8", "c4c1fb92e0", a -> a.kmovq(4, R8)),
                row("vzeroupper", "c5f877", a -> a.vzeroupper()),
                row("vaddps zmm1, zmm2, zmm3", "62f16c4858cb", a -> a.vaddps(zmm(1), zmm(2), zmm(3))),
                row("vaddps zmm31, zmm16, zmm8", "62417c4058f8", a -> a.vaddps(zmm(31), zmm(16), zmm(8))),
                row("vaddps zmm8, zmm15, zmm24", "6211044858c0", a -> a.vaddps(zmm(8), zmm(15), zmm(24))),
                row("vaddps zmm1{k1}, zmm2, zmm3", "62f16c4958cb", a -> a.vaddps(zmm(1).masked(1), zmm(2), zmm(3))),
                row("vaddps zmm1{k7}{z}, zmm2, zmm3", "62f16ccf58cb", a -> a.vaddps(zmm(1).zeroed(7), zmm(2), zmm(3))),
                row("vaddps zmm1, zmm2, [rax]", "62f16c485808", a -> a.vaddps(zmm(1), zmm(2), at(RAX))),
                row("vaddps zmm1, zmm2, [rax+64]", "62f16c48584801", a -> a.vaddps(zmm(1), zmm(2), at(RAX, 64))),
                row("vaddps zmm1, zmm2, [rax+65]", "62f16c48588841000000", a -> a.vaddps(zmm(1), zmm(2), at(RAX, 65))),
                row("vaddps zmm1, zmm2, [rax+8128]", "62f16c4858487f", a -> a.vaddps(zmm(1), zmm(2), at(RAX, 8128))),
                row(
                        "vaddps zmm1, zmm2, [rax+8192]",
                        "62f16c48588800200000",
                        a -> a.vaddps(zmm(1), zmm(2), at(RAX, 8192))),
                row("vaddps zmm1, zmm2, [rax-8192]", "62f16c48584880", a -> a.vaddps(zmm(1), zmm(2), at(RAX, -8192))),
                row(
                        "vaddps zmm17, zmm18, [r12+r9*8+4]{1to16}",
                        "62816c50584ccc01",
                        a -> a.vaddps(zmm(17), zmm(18), at(R12, R9, 8, 4).toAll())),
                row(
                        "vaddps zmm17, zmm18, [r13]{1to16}",
                        "62c16c50584d00",
                        a -> a.vaddps(zmm(17), zmm(18), at(R13).toAll())),
                row(
                        "vaddps zmm17, zmm18, [rbp+rax*2+512]{1to16}",
                        "62e16c50588c4500020000",
                        a -> a.vaddps(zmm(17), zmm(18), at(RBP, RAX, 2, 512).toAll())),
                row("vaddps ymm1, ymm2, ymm3", "c5ec58cb", a -> a.vaddps(ymm(1), ymm(2), ymm(3))),
                row("vaddps ymm9, ymm10, ymm11", "c4412c58cb", a -> a.vaddps(ymm(9), ymm(10), ymm(11))),
                row("vaddps ymm1, ymm2, [rdx+32]", "c5ec584a20", a -> a.vaddps(ymm(1), ymm(2), at(RDX, 32))),
                row(
                        "vaddps ymm1, ymm2, [r10+r11*4+100]",
                        "c4816c584c9a64",
                        a -> a.vaddps(ymm(1), ymm(2), at(R10, R11, 4, 100))),
                row("vaddps ymm17, ymm2, [rdx+32]", "62e16c28584a01", a -> a.vaddps(ymm(17), ymm(2), at(RDX, 32))),
                row("vaddps xmm1, xmm2, xmm3", "c5e858cb", a -> a.vaddps(xmm(1), xmm(2), xmm(3))),
                row("vaddps xmm1, xmm2, xmm19", "62b16c0858cb", a -> a.vaddps(xmm(1), xmm(2), xmm(19))),
                row("vsubps zmm4, zmm5, [rcx]{1to16}", "62f154585c21", a -> a.vsubps(zmm(4), zmm(5), at(RCX).toAll())),
                row("vmulps zmm4, zmm5, zmm6", "62f1544859e6", a -> a.vmulps(zmm(4), zmm(5), zmm(6))),
                row("vmulps ymm4, ymm5, ymm6", "c5d459e6", a -> a.vmulps(ymm(4), ymm(5), ymm(6))),
                row("vdivps zmm4, zmm5, zmm6", "62f154485ee6", a -> a.vdivps(zmm(4), zmm(5), zmm(6))),
                row("vminps zmm4, zmm5, [rsi]{1to16}", "62f154585d26", a -> a.vminps(zmm(4), zmm(5), at(RSI).toAll())),
                row("vmaxps ymm4, ymm5, ymm6", "c5d45fe6", a -> a.vmaxps(ymm(4), ymm(5), ymm(6))),
                row("vfmadd231ps zmm0, zmm31, zmm24", "62920540b8c0", a -> a.vfmadd231ps(zmm(0), zmm(31), zmm(24))),
                row(
                        "vfmadd231ps zmm23, zmm24, [rax+rcx*2+60]{1to16}",
                        "62e23d50b87c480f",
                        a -> a.vfmadd231ps(zmm(23), zmm(24), at(RAX, RCX, 2, 60).toAll())),
                row("vfmadd231ps ymm12, ymm13, ymm14", "c44215b8e6", a -> a.vfmadd231ps(ymm(12), ymm(13), ymm(14))),
                row(
                        "vfmadd231ps ymm12, ymm13, [rsi+96]",
                        "c46215b86660",
                        a -> a.vfmadd231ps(ymm(12), ymm(13), at(RSI, 96))),
                row(
                        "vfmadd213ps zmm1, zmm2, [r8+4]{1to16}",
                        "62d26d58a84801",
                        a -> a.vfmadd213ps(zmm(1), zmm(2), at(R8, 4).toAll())),
                row("vfmadd213ps ymm1, ymm2, ymm15", "c4c26da8cf", a -> a.vfmadd213ps(ymm(1), ymm(2), ymm(15))),
                row("vfnmadd231ps zmm1, zmm2, zmm3", "62f26d48bccb", a -> a.vfnmadd231ps(zmm(1), zmm(2), zmm(3))),
                row("vfnmadd231ps ymm1, ymm2, ymm3", "c4e26dbccb", a -> a.vfnmadd231ps(ymm(1), ymm(2), ymm(3))),
                row("vscalefps zmm1, zmm2, zmm3", "62f26d482ccb", a -> a.vscalefps(zmm(1), zmm(2), zmm(3))),
                row("vdpbf16ps zmm7, zmm8, zmm29", "62923e4852fd", a -> a.vdpbf16ps(zmm(7), zmm(8), zmm(29))),
                row(
                        "vdpbf16ps zmm7, zmm8, [rax+4]{1to16}",
                        "62f23e58527801",
                        a -> a.vdpbf16ps(zmm(7), zmm(8), at(RAX, 4).toAll())),
                row("vpdpbusd zmm7, zmm8, zmm29", "62923d4850fd", a -> a.vpdpbusd(zmm(7), zmm(8), zmm(29))),
                row(
                        "vpdpbusd zmm7, zmm8, [rax+4]{1to16}",
                        "62f23d58507801",
                        a -> a.vpdpbusd(zmm(7), zmm(8), at(RAX, 4).toAll())),
                row("vpaddd zmm1, zmm2, zmm3", "62f16d48fecb", a -> a.vpaddd(zmm(1), zmm(2), zmm(3))),
                row("vpaddd ymm1, ymm2, ymm3", "c5edfecb", a -> a.vpaddd(ymm(1), ymm(2), ymm(3))),
                row("vpsubd zmm1, zmm2, [rax]{1to16}", "62f16d58fa08", a -> a.vpsubd(zmm(1), zmm(2), at(RAX).toAll())),
                row("vpmulld zmm1, zmm2, zmm3", "62f26d4840cb", a -> a.vpmulld(zmm(1), zmm(2), zmm(3))),
                row("vpminsd zmm1, zmm2, zmm3", "62f26d4839cb", a -> a.vpminsd(zmm(1), zmm(2), zmm(3))),
                row("vpmaxsd ymm1, ymm2, ymm3", "c4e26d3dcb", a -> a.vpmaxsd(ymm(1), ymm(2), ymm(3))),
                row("vxorps ymm1, ymm2, ymm3", "c5ec57cb", a -> a.vxorps(ymm(1), ymm(2), ymm(3))),
                row("vpandd zmm1, zmm2, zmm3", "62f16d48dbcb", a -> a.vpandd(zmm(1), zmm(2), zmm(3))),
                row(
                        "vpandd zmm1, zmm2, [rax+8]{1to16}",
                        "62f16d58db4802",
                        a -> a.vpandd(zmm(1), zmm(2), at(RAX, 8).toAll())),
                row("vpord zmm1, zmm2, zmm3", "62f16d48ebcb", a -> a.vpord(zmm(1), zmm(2), zmm(3))),
                row("vpxord zmm20, zmm20, zmm20", "62a15d40efe4", a -> a.vpxord(zmm(20), zmm(20), zmm(20))),
                row("vpunpckldq zmm1, zmm2, zmm3", "62f16d4862cb", a -> a.vpunpckldq(zmm(1), zmm(2), zmm(3))),
                row("vpunpckhdq ymm1, ymm2, ymm3", "c5ed6acb", a -> a.vpunpckhdq(ymm(1), ymm(2), ymm(3))),
                row("vpunpcklqdq zmm1, zmm2, zmm3", "62f1ed486ccb", a -> a.vpunpcklqdq(zmm(1), zmm(2), zmm(3))),
                row("vpunpckhqdq zmm1, zmm2, zmm3", "62f1ed486dcb", a -> a.vpunpckhqdq(zmm(1), zmm(2), zmm(3))),
                row("vpunpckhqdq ymm1, ymm2, ymm3", "c5ed6dcb", a -> a.vpunpckhqdq(ymm(1), ymm(2), ymm(3))),
                row("vpermd zmm1, zmm2, zmm3", "62f26d4836cb", a -> a.vpermd(zmm(1), zmm(2), zmm(3))),
                row("vpermd ymm1, ymm2, [rax]", "c4e26d3608", a -> a.vpermd(ymm(1), ymm(2), at(RAX))),
                row("vpermt2d zmm1, zmm2, zmm3", "62f26d487ecb", a -> a.vpermt2d(zmm(1), zmm(2), zmm(3))),
                row(
                        "vshuff32x4 zmm1, zmm2, zmm3, 0x88",
                        "62f36d4823cb88",
                        a -> a.vshuff32x4(zmm(1), zmm(2), zmm(3), 0x88)),
                row(
                        "vshuff32x4 zmm17, zmm18, zmm19, 0xdd",
                        "62a36d4023cbdd",
                        a -> a.vshuff32x4(zmm(17), zmm(18), zmm(19), 0xdd)),
                row("vshufps zmm1, zmm2, zmm3, 0x44", "62f16c48c6cb44", a -> a.vshufps(zmm(1), zmm(2), zmm(3), 0x44)),
                row("vshufps ymm1, ymm2, ymm3, 0xee", "c5ecc6cbee", a -> a.vshufps(ymm(1), ymm(2), ymm(3), 0xee)),
                row(
                        "vpternlogd zmm1, zmm2, zmm3, 0x96",
                        "62f36d4825cb96",
                        a -> a.vpternlogd(zmm(1), zmm(2), zmm(3), 0x96)),
                row(
                        "vperm2f128 ymm1, ymm2, ymm3, 0x31",
                        "c4e36d06cb31",
                        a -> a.vperm2f128(ymm(1), ymm(2), ymm(3), 0x31)),
                row("vrndscaleps zmm1, zmm2, 0", "62f37d4808ca00", a -> a.vrndscaleps(zmm(1), zmm(2), 0)),
                row("vroundps ymm1, ymm2, 0", "c4e37d08ca00", a -> a.vroundps(ymm(1), ymm(2), 0)),
                row("vsqrtps zmm1, zmm2", "62f17c4851ca", a -> a.vsqrtps(zmm(1), zmm(2))),
                row("vcvtdq2ps zmm1, zmm2", "62f17c485bca", a -> a.vcvtdq2ps(zmm(1), zmm(2))),
                row("vcvtdq2ps zmm1, [rax+64]", "62f17c485b4801", a -> a.vcvtdq2ps(zmm(1), at(RAX, 64))),
                row("vcvtps2dq zmm1, zmm2", "62f17d485bca", a -> a.vcvtps2dq(zmm(1), zmm(2))),
                row("vcvtph2ps zmm1, ymm2", "62f27d4813ca", a -> a.vcvtph2ps(zmm(1), ymm(2))),
                row("vcvtph2ps zmm1, [rax+32]", "62f27d48134801", a -> a.vcvtph2ps(zmm(1), at(RAX, 32))),
                row(
                        "vcvtph2ps zmm1{k2}{z}, [rax+32]",
                        "62f27dca134801",
                        a -> a.vcvtph2ps(zmm(1).zeroed(2), at(RAX, 32))),
                row("vcvtph2ps ymm1, xmm2", "c4e27d13ca", a -> a.vcvtph2ps(ymm(1), xmm(2))),
                row("vpmovzxwd zmm1, ymm2", "62f27d4833ca", a -> a.vpmovzxwd(zmm(1), ymm(2))),
                row("vpmovzxwd zmm1{k1}{z}, [r9+96]", "62d27dc9334903", a -> a.vpmovzxwd(zmm(1).zeroed(1), at(R9, 96))),
                row("vpmovzxwd ymm1, [rax+16]", "c4e27d334810", a -> a.vpmovzxwd(ymm(1), at(RAX, 16))),
                row("vpmovsxbd zmm1, xmm2", "62f27d4821ca", a -> a.vpmovsxbd(zmm(1), xmm(2))),
                row("vpmovsxbd zmm1, [rax+16]", "62f27d48214801", a -> a.vpmovsxbd(zmm(1), at(RAX, 16))),
                row(
                        "vpmovsxbd zmm1{k3}{z}, [rax+17]",
                        "62f27dcb218811000000",
                        a -> a.vpmovsxbd(zmm(1).zeroed(3), at(RAX, 17))),
                row("vpmovzxbd zmm1, [rax+16]", "62f27d48314801", a -> a.vpmovzxbd(zmm(1), at(RAX, 16))),
                row("vbroadcastss zmm1, [rax+4]", "62f27d48184801", a -> a.vbroadcastss(zmm(1), at(RAX, 4))),
                row(
                        "vbroadcastss zmm28, [r15+r14*4+508]",
                        "62027d481864b77f",
                        a -> a.vbroadcastss(zmm(28), at(R15, R14, 4, 508))),
                row("vbroadcastss zmm1, xmm2", "62f27d4818ca", a -> a.vbroadcastss(zmm(1), xmm(2))),
                row("vbroadcastss ymm1, [rax+4]", "c4e27d184804", a -> a.vbroadcastss(ymm(1), at(RAX, 4))),
                row("vpbroadcastd zmm1, [rax+4]", "62f27d48584801", a -> a.vpbroadcastd(zmm(1), at(RAX, 4))),
                row("vpbroadcastd zmm1, rcx", "62f27d487cc9", a -> a.vpbroadcastd(zmm(1), RCX)),
                row("vpbroadcastd zmm1, r9", "62d27d487cc9", a -> a.vpbroadcastd(zmm(1), R9)),
                row("vpbroadcastd ymm1, xmm2", "c4e27d58ca", a -> a.vpbroadcastd(ymm(1), xmm(2))),
                row("vmovups zmm1, zmm2", "62f17c4810ca", a -> a.vmovups(zmm(1), zmm(2))),
                row("vmovups zmm1, [rax+128]", "62f17c48104802", a -> a.vmovups(zmm(1), at(RAX, 128))),
                row("vmovups zmm1{k1}{z}, [rax+128]", "62f17cc9104802", a -> a.vmovups(zmm(1).zeroed(1), at(RAX, 128))),
                row("vmovups [rax+128], zmm1", "62f17c48114802", a -> a.vmovups(at(RAX, 128), zmm(1))),
                row(
                        "vmovups [rax+128]{k1}, zmm30",
                        "62617c49117002",
                        a -> a.vmovups(at(RAX, 128).masked(1), zmm(30))),
                row("vmovups ymm1, [rax+128]", "c5fc108880000000", a -> a.vmovups(ymm(1), at(RAX, 128))),
                row("vmovups [r11+r12*1], ymm9", "c4017c110c23", a -> a.vmovups(at(R11, R12, 1, 0), ymm(9))),
                row("vmovups ymm25, [rax+128]", "62617c28104804", a -> a.vmovups(ymm(25), at(RAX, 128))),
                row("vmovdqu32 zmm1{k1}{z}, [rax]", "62f17ec96f08", a -> a.vmovdqu32(zmm(1).zeroed(1), at(RAX))),
                row("vmovdqu32 [rax]{k1}, zmm1", "62f17e497f08", a -> a.vmovdqu32(at(RAX).masked(1), zmm(1))),
                row(
                        "vmovdqu16 zmm1{k1}{z}, [rax+64]",
                        "62f1ffc96f4801",
                        a -> a.vmovdqu16(zmm(1).zeroed(1), at(RAX, 64))),
                row(
                        "vmovdqu16 ymm1{k1}{z}, [rax+64]",
                        "62f1ffa96f4802",
                        a -> a.vmovdqu16(ymm(1).zeroed(1), at(RAX, 64))),
                row("vmovdqu16 [rax]{k1}, ymm1", "62f1ff297f08", a -> a.vmovdqu16(at(RAX).masked(1), ymm(1))),
                row("vmovdqu8 zmm1{k1}{z}, [rax]", "62f17fc96f08", a -> a.vmovdqu8(zmm(1).zeroed(1), at(RAX))),
                row("vmovdqu8 xmm1{k1}{z}, [rax+48]", "62f17f896f4803", a -> a.vmovdqu8(xmm(1).zeroed(1), at(RAX, 48))),
                row("vmovdqu8 [rax]{k1}, xmm1", "62f17f097f08", a -> a.vmovdqu8(at(RAX).masked(1), xmm(1))),
                row("vpmovusdb [rax+16], zmm1", "62f27e48114801", a -> a.vpmovusdb(at(RAX, 16), zmm(1))),
                row("vpmovusdb xmm2, zmm1", "62f27e4811ca", a -> a.vpmovusdb(xmm(2), zmm(1))),
                row(
                        "vpmovusdb [rax+16]{k1}, zmm1",
                        "62f27e49114801",
                        a -> a.vpmovusdb(at(RAX, 16).masked(1), zmm(1))),
                row("vpmovsdb xmm2, zmm1", "62f27e4821ca", a -> a.vpmovsdb(xmm(2), zmm(1))),
                row("vpmovdw ymm2, zmm1", "62f27e4833ca", a -> a.vpmovdw(ymm(2), zmm(1))),
                row(
                        "vpmovdw [rax+32]{k1}, zmm1",
                        "62f27e49334801",
                        a -> a.vpmovdw(at(RAX, 32).masked(1), zmm(1))),
                row("vpslld zmm1, zmm2, 16", "62f1754872f210", a -> a.vpslld(zmm(1), zmm(2), 16)),
                row("vpslld ymm1, ymm2, 16", "c5f572f210", a -> a.vpslld(ymm(1), ymm(2), 16)),
                row("vpsrld zmm1, zmm20, 16", "62b1754872d410", a -> a.vpsrld(zmm(1), zmm(20), 16)),
                row("vpsrad zmm1, zmm20, 24", "62b1754872e418", a -> a.vpsrad(zmm(1), zmm(20), 24)),
                row("vpsrad zmm1, [rax+64], 24", "62f1754872600118", a -> a.vpsrad(zmm(1), at(RAX, 64), 24)),
                row("vpslld zmm17, [rsi+128], 16", "62f1754072760210", a -> a.vpslld(zmm(17), at(RSI, 128), 16)),
                row("vcvtneps2bf16 ymm1, zmm2", "62f27e4872ca", a -> a.vcvtneps2bf16(ymm(1), zmm(2))),
                row("vcvtneps2bf16 ymm1{k1}{z}, zmm2", "62f27ec972ca", a -> a.vcvtneps2bf16(ymm(1).zeroed(1), zmm(2))),
                row("vcvtne2ps2bf16 zmm1, zmm2, zmm3", "62f26f4872cb", a -> a.vcvtne2ps2bf16(zmm(1), zmm(2), zmm(3))),
                row("vextractf64x4 ymm1, zmm2, 1", "62f3fd481bd101", a -> a.vextractf64x4(ymm(1), zmm(2), 1)),
                row(
                        "vextractf64x4 [rax+32], zmm2, 1",
                        "62f3fd481b500101",
                        a -> a.vextractf64x4(at(RAX, 32), zmm(2), 1)),
                row("vextractf128 xmm1, ymm2, 1", "c4e37d19d101", a -> a.vextractf128(xmm(1), ymm(2), 1)),
                row("vmovss [rax+4], xmm1", "c5fa114804", a -> a.vmovss(at(RAX, 4), xmm(1))),
                row("vmaskmovps ymm1, ymm2, [rax]", "c4e26d2c08", a -> a.vmaskmovps(ymm(1), ymm(2), at(RAX))),
                row("vmaskmovps [rax], ymm2, ymm1", "c4e26d2e08", a -> a.vmaskmovps(at(RAX), ymm(2), ymm(1))));
    }

    private static Arguments row(String text, String bytes, Consumer<Assembler> instruction) {
        return arguments(text, bytes, instruction);
    }

    private static String hex(Consumer<Assembler> program) {
        Assembler a = new Assembler();
        program.accept(a);
        return HexFormat.of().formatHex(a.toBytes());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("instructions")
    void encodesLikeTheGnuAssembler(String text, String bytes, Consumer<Assembler> instruction) {
        Assembler a = new Assembler();
        instruction.accept(a);
        int size = a.size(); // without what fills up the program

        assertThat(HexFormat.of().formatHex(a.toBytes(), 0, size)).as(text).isEqualTo(bytes);
    }

    @Test
    void everyInstructionIsInTheTable() {
        String calls = instructions().map(row -> (String) row.get()[0] + " ").reduce("", String::concat) + "jmp je ";

        assertThat(Stream.of(Assembler.class.getDeclaredMethods())
                        .filter(m -> !m.isSynthetic() && !java.lang.reflect.Modifier.isPrivate(m.getModifiers()))
                        .map(m -> m.getName().equals("mov32") ? "mov" : m.getName())
                        .filter(name -> !name.equals("j") && !name.equals("constant") && !name.equals("toBytes"))
                        .distinct())
                .allSatisfy(name -> assertThat(calls).contains(name));
    }

    @Test
    void jumpsReachLabelsBeforeAndBehindThem() {
        assertThat(hex(a -> {
                    Label back = new Label();
                    Label ahead = new Label();
                    a.bind(back);
                    a.jmp(ahead);
                    a.j(Condition.E, back);
                    a.j(Condition.NE, ahead);
                    a.j(Condition.L, back);
                    a.j(Condition.GE, back);
                    a.bind(ahead);
                    a.j(Condition.G, back);
                    a.j(Condition.LE, back);
                    a.j(Condition.B, back);
                    a.j(Condition.AE, back);
                }))
                .startsWith("e918000000" + "0f84f5ffffff" + "0f850c000000" + "0f8ce9ffffff" + "0f8de3ffffff"
                        + "0f8fddffffff" + "0f8ed7ffffff" + "0f82d1ffffff" + "0f83cbffffff");
    }

    @Test
    void constantsLieBehindTheProgramOnceEach() {
        Assembler a = new Assembler();
        a.vaddps(zmm(1), zmm(2), a.constant(1f).toAll());
        a.vrndscaleps(zmm(1), a.constant(2f).toAll(), 0);
        a.vaddps(zmm(1), zmm(2), a.constant(1f).toAll());
        a.ret();

        // distances count from the end of an instruction, its immediate byte included
        assertThat(HexFormat.of().formatHex(a.toBytes()))
                .isEqualTo("62f16c58580d" + "16000000" + "62f37d58080d" + "0f00000000" + "62f16c58580d" + "01000000"
                        + "c3" + "0000803f" + "00000040");
    }

    @Test
    void labelsAreBoundOnce() {
        Assembler a = new Assembler();
        Label label = new Label();
        a.bind(label);

        assertThatThrownBy(() -> a.bind(label)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void whatDoesNotExistIsRefused() {
        assertThatThrownBy(() -> zmm(32)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> zmm(1).masked(8)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Vec(1, 64, 0, false)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> at(RAX, RSP, 1, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> at(RAX, RCX, 3, 0)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Memory(null, null, 1, 0, null, false, 0))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
