;; The inner loops of `resizing.ts`: weighted sums over rows, then over the pixels of a row, four numbers at a
;; time. `node packages/tasks/scripts/assemble.js` turns this file into `resizing.wasm.ts`.
(module
  (memory (export "memory") 1)

  ;; Bytes are small enough to be converted as signed numbers: one instruction where unsigned ones are several.

  ;; line[i] = sum over k of weights[k] * bytes[from + k stride + i], for i below `length`. It reads and writes
  ;; whole blocks of 16, so up to 15 numbers beyond.
  (func (export "down")
    (param $from i32) (param $stride i32) (param $count i32) (param $weights i32)
    (param $line i32) (param $length i32)
    (local $end i32) (local $at i32) (local $weight i32) (local $last i32)
    (local $bytes v128) (local $w v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end (i32.add (local.get $from) (local.get $length)))
    (local.set $last
      (i32.add (local.get $weights) (i32.shl (local.get $count) (i32.const 2))))
    (loop $blocks
      (local.set $a (v128.const i32x4 0 0 0 0))
      (local.set $b (v128.const i32x4 0 0 0 0))
      (local.set $c (v128.const i32x4 0 0 0 0))
      (local.set $d (v128.const i32x4 0 0 0 0))
      (local.set $at (local.get $from))
      (local.set $weight (local.get $weights))
      (loop $rows
        (local.set $bytes (v128.load (local.get $at)))
        (local.set $w (v128.load32_splat (local.get $weight)))
        (local.set $a (f32x4.add (local.get $a) (f32x4.mul (local.get $w)
          (f32x4.convert_i32x4_s (i32x4.extend_low_i16x8_u
            (i16x8.extend_low_i8x16_u (local.get $bytes)))))))
        (local.set $b (f32x4.add (local.get $b) (f32x4.mul (local.get $w)
          (f32x4.convert_i32x4_s (i32x4.extend_high_i16x8_u
            (i16x8.extend_low_i8x16_u (local.get $bytes)))))))
        (local.set $c (f32x4.add (local.get $c) (f32x4.mul (local.get $w)
          (f32x4.convert_i32x4_s (i32x4.extend_low_i16x8_u
            (i16x8.extend_high_i8x16_u (local.get $bytes)))))))
        (local.set $d (f32x4.add (local.get $d) (f32x4.mul (local.get $w)
          (f32x4.convert_i32x4_s (i32x4.extend_high_i16x8_u
            (i16x8.extend_high_i8x16_u (local.get $bytes)))))))
        (local.set $at (i32.add (local.get $at) (local.get $stride)))
        (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
        (br_if $rows (i32.lt_u (local.get $weight) (local.get $last))))
      (v128.store (local.get $line) (local.get $a))
      (v128.store offset=16 (local.get $line) (local.get $b))
      (v128.store offset=32 (local.get $line) (local.get $c))
      (v128.store offset=48 (local.get $line) (local.get $d))
      (local.set $line (i32.add (local.get $line) (i32.const 64)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br_if $blocks (i32.lt_u (local.get $from) (local.get $end)))))

  ;; Pixel x of the result: the sum over k below `taps` of weights[taps x + k] times the pixel that lies k `step`
  ;; bytes behind line + first[x]. Its first three numbers go, rounded, to three planes of `area` bytes.
  (func (export "across")
    (param $line i32) (param $first i32) (param $weights i32) (param $taps i32) (param $step i32)
    (param $to i32) (param $area i32) (param $width i32)
    (local $end i32) (local $at i32) (local $last i32) (local $sum v128)
    (local.set $end (i32.add (local.get $to) (local.get $width)))
    (local.set $taps (i32.shl (local.get $taps) (i32.const 2)))
    (loop $pixels
      (local.set $at (i32.add (local.get $line) (i32.load (local.get $first))))
      (local.set $last (i32.add (local.get $weights) (local.get $taps)))
      ;; What is cut off at the end becomes rounding.
      (local.set $sum (v128.const f32x4 0.5 0.5 0.5 0.5))
      (loop $sums
        (local.set $sum (f32x4.add (local.get $sum) (f32x4.mul
          (v128.load (local.get $at)) (v128.load32_splat (local.get $weights)))))
        (local.set $at (i32.add (local.get $at) (local.get $step)))
        (local.set $weights (i32.add (local.get $weights) (i32.const 4)))
        (br_if $sums (i32.lt_u (local.get $weights) (local.get $last))))
      (local.set $sum (i32x4.trunc_sat_f32x4_s (local.get $sum)))
      (v128.store8_lane 0 (local.get $to) (local.get $sum))
      (v128.store8_lane 4 (i32.add (local.get $to) (local.get $area)) (local.get $sum))
      (v128.store8_lane 8
        (i32.add (local.get $to) (i32.shl (local.get $area) (i32.const 1))) (local.get $sum))
      (local.set $first (i32.add (local.get $first) (i32.const 4)))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br_if $pixels (i32.lt_u (local.get $to) (local.get $end)))))

  ;; The numbers scale bytes[from + i] - shift at `to`, for i below `length`: blocks of 16 here, too.
  (func (export "spread")
    (param $from i32) (param $to i32) (param $length i32) (param $scale f32) (param $shift f32)
    (local $end i32) (local $bytes v128) (local $half v128) (local $k v128) (local $s v128)
    (local.set $end (i32.add (local.get $from) (local.get $length)))
    (local.set $k (f32x4.splat (local.get $scale)))
    (local.set $s (f32x4.splat (local.get $shift)))
    (loop $blocks
      (local.set $bytes (v128.load (local.get $from)))
      (local.set $half (i16x8.extend_low_i8x16_u (local.get $bytes)))
      (v128.store (local.get $to) (f32x4.sub (f32x4.mul (local.get $k)
        (f32x4.convert_i32x4_s (i32x4.extend_low_i16x8_u (local.get $half)))) (local.get $s)))
      (v128.store offset=16 (local.get $to) (f32x4.sub (f32x4.mul (local.get $k)
        (f32x4.convert_i32x4_s (i32x4.extend_high_i16x8_u (local.get $half)))) (local.get $s)))
      (local.set $half (i16x8.extend_high_i8x16_u (local.get $bytes)))
      (v128.store offset=32 (local.get $to) (f32x4.sub (f32x4.mul (local.get $k)
        (f32x4.convert_i32x4_s (i32x4.extend_low_i16x8_u (local.get $half)))) (local.get $s)))
      (v128.store offset=48 (local.get $to) (f32x4.sub (f32x4.mul (local.get $k)
        (f32x4.convert_i32x4_s (i32x4.extend_high_i16x8_u (local.get $half)))) (local.get $s)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 64)))
      (br_if $blocks (i32.lt_u (local.get $from) (local.get $end))))))
