{% macro f() %}{{ 1 }}
